"""What `rtbci keys` does."""

from collections.abc import Sequence
from typing import Any, get_args

from rtbci.commands.profile_output import Output, table_of
from rtbci.errors import ConfigError
from rtbci.keys.certificate import own_certificate
from rtbci.keys.curve import KeyPair, list_keys, new_key, read_key, z85_of
from rtbci.keys.folder import keys_root
from rtbci.keys.roles import ROLES, Role
from rtbci.keys.tokens import list_tokens, new_token, revoke_token
from rtbci.keys.trusted import TrustedRole, list_trusted, revoke, trust
from rtbci.stream.lsl_config import restore_config, write_loopback_config

__all__ = [
    "certificate",
    "lsl_loopback",
    "new",
    "revoke_key",
    "show",
    "token_list",
    "token_new",
    "token_revoke",
    "trust_key",
]


def new(name: str, replace: bool, out: Output) -> None:
    """Make a key pair."""
    made = new_key(name, replace=replace)
    out.result(
        _plain(made),
        *_lines(made),
        "",
        "Give the public key to the other side; it is no secret, but has to arrive unchanged: read its first and last",
        "letters to each other. There: rtbci keys trust NAME "
        + made.public.hex()
        + " --role listener|controller|server",
    )


def show(name: str | None, out: Output) -> None:
    """Show one key pair, or all of them and all trusted keys."""
    own = list_keys() if name is None else [read_key(name)]
    trusted = list_trusted() if name is None else []
    data: dict[str, Any] = {"folder": str(keys_root()), "own": [_plain(one) for one in own]}
    if name is None:
        data["trusted"] = trusted
    lines = [line for one in own for line in (*_lines(one), "")]
    if not own:
        lines = ["no key pair of your own; `rtbci keys new` makes one", ""]
    lines += [
        f"trusted {one.name} as {one.role} since {one.added_utc[:10]}\n  {one.public}" for one in trusted
    ]
    if name is None and not trusted:
        lines.append("no key is trusted; `rtbci keys trust NAME KEY` trusts one")
    out.result(data, *lines)


def trust_key(name: str, key: str, role: str, out: Output) -> None:
    """Trust a key."""
    roles: Sequence[TrustedRole] = get_args(TrustedRole)
    known = next((one for one in roles if one == role), None)
    if known is None:
        raise ConfigError(f"trust: role is {role!r}, need one of {', '.join(roles)}")
    made = trust(name, key, known)
    what = (
        "you may connect to it"
        if known == "server"
        else f"may {'listen and control' if known == 'controller' else 'listen'}"
    )
    out.result(made, f"{name} is trusted as {known} ({what}): key {made.public[:16]}...")


def revoke_key(name: str, out: Output) -> None:
    """Revoke a key."""
    revoke(name)
    out.result(
        {"revoked": name},
        f"{name} is trusted no longer: nothing more is sent to or taken from them; runs that are going on have all who listen "
        "connect anew, which takes about a second.",
    )


def certificate(hosts: Sequence[str], out: Output) -> None:
    """Make or show the certificate."""
    one = own_certificate(hosts)
    data = {
        "certificate": str(one.path),
        "key": str(one.key_path),
        "sha256": one.fingerprint,
        "hosts": one.hosts,
        "not_after": one.not_after.isoformat(),
    }
    out.result(
        data,
        f"certificate  {one.path}",
        f"key          {one.key_path}",
        f"for          {', '.join(one.hosts)}",
        f"until        {one.not_after:%Y-%m-%d}",
        f"sha256       {one.fingerprint}",
        "A browser warns of it once, as nobody else vouches for it: compare the sha256 fingerprint there before you go on.",
    )


def lsl_loopback(undo: bool, out: Output) -> None:
    """Write liblsl's configuration, or take it back."""
    done = restore_config() if undo else write_loopback_config()
    data = {name: None if value is None else str(value) for name, value in done._asdict().items()}
    if undo:
        what = (
            f"{done.path}: is as it was before"
            if done.backup
            else f"{done.path}: removed, there was none before"
        )
        out.result(data, what)
        return
    lines = [
        f"{done.path}: LSL streams are found on this computer only, by programs that are started from now on."
    ]
    if done.backup:
        lines.append(f"What it was before: {done.backup}; `rtbci keys lsl-loopback --undo` puts it back.")
    if done.read_instead:
        lines.append(
            f"warning: programs started in {done.read_instead.parent} read {done.read_instead} instead."
        )
    lines.append(
        "Their data ports stay open on all interfaces, as liblsl has no setting for that: close TCP and UDP 16571 to 16604 in "
        "the firewall if others share the network (docs/security.md)."
    )
    out.result(data, *lines)


def token_new(name: str, role: str, out: Output) -> None:
    """Make a token and show it."""
    known: Role | None = next((one for one in ROLES if one == role), None)
    if known is None:
        raise ConfigError(f"token: role is {role!r}, need one of {', '.join(ROLES)}")
    text = new_token(name, known)
    out.result(
        {"name": name, "role": known, "token": text},
        text,
        "It is shown this once: only a hash of it is kept.",
    )


def token_list(out: Output) -> None:
    """List tokens."""
    kept = list_tokens()
    rows = [(one.name, one.role, one.created_utc[:10]) for one in kept]
    data = [{"name": one.name, "role": one.role, "created_utc": one.created_utc} for one in kept]
    out.result(
        data,
        table_of(("token", "role", "since"), rows)
        if rows
        else "no tokens; `rtbci keys token new NAME` makes one",
    )


def token_revoke(name: str, out: Output) -> None:
    """Revoke a token."""
    revoke_token(name)
    out.result({"revoked": name}, f"token {name} counts no longer")


def _plain(pair: KeyPair) -> dict[str, str]:
    return {"name": pair.name, "public": pair.public.hex(), "public_z85": z85_of(pair.public)}


def _lines(pair: KeyPair) -> tuple[str, ...]:
    return (
        f"key {pair.name}",
        f"  public key      {pair.public.hex()}",
        f"  as ZeroMQ text  {z85_of(pair.public)}",
    )
