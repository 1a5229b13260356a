"""Write docs/message-schema.json, and the examples and tables of fields in docs/messages.md.

    python tools/write_schema.py            # write
    python tools/write_schema.py --check    # exit 1 when a file is not current

Both come from the classes in rtbci/publish/messages.py and message_parts.py, the examples by way of the real encoder.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from rtbci.publish.codec import encode, schema
from rtbci.publish.control_messages import (
    Failure,
    Mark,
    Pause,
    Reply,
    Resume,
    StatusRequest,
    Stop,
    SwapProfile,
)
from rtbci.publish.messages import (
    DecisionSettings,
    DriftRef,
    EngineRef,
    Event,
    Hello,
    Latency,
    Message,
    Prediction,
    ProfileRef,
    Quality,
    Rate,
    Rates,
    Status,
    StreamRef,
    Trace,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
SCHEMA_FILE = DOCS / "message-schema.json"
PAGE = DOCS / "messages.md"

SESSION = "20260131T093000Z-5f0c1e"
PROFILE = ProfileRef(user="p07", id="9f2c41d7", generation=2)
ENGINE = EngineRef(
    name="dare_nano",
    id="41b7e0aa",
    network_id="b53d9f17",
    backend="tensorrt",
    precision="fp16",
    device="NVIDIA GeForce RTX 4070",
)
CLASSES = ("left", "right")


def samples() -> dict[str, Message]:
    """Return one message of each topic, a prediction for a window that could not be decoded, and one with a value."""
    decided = Prediction(
        v=1,
        session=SESSION,
        seq=812,
        t_sent=5312.40871,
        classes=CLASSES,
        probs=(0.18, 0.82),
        label="right",
        decision="right",
        why=None,
        t_window=(5309.40625, 5312.40625),
        age_ms=2.46,
        trace_ms=Trace(wait=1.61, filter=0.22, encode=0.47, probe=0.14, send=0.02),
        quality=Quality(score=0.96, bad_channels=("FC5",)),
        profile=PROFILE,
        engine=ENGINE,
    )
    valued = msgspec.structs.replace(
        decided,
        classes=("low", "high"),
        probs=(0.43, 0.57),
        label="high",
        decision=None,
        why="below_threshold",
        value=0.7312,
    )
    in_gap = msgspec.structs.replace(decided, seq=813, probs=None, label=None, decision=None, why="gap")
    return {
        "prediction": decided,
        "prediction in a gap": in_gap,
        "prediction with a value": valued,
        "status": _status(),
        "event": Event(
            v=1,
            session=SESSION,
            seq=31,
            t_sent=5312.40873,
            kind="decision",
            t_lsl=5312.40625,
            value="right",
        ),
        "hello": _hello(),
    }


def _status() -> Status:
    return Status(
        v=1,
        session=SESSION,
        seq=57,
        t_sent=5312.5,
        state="running",
        paused=False,
        stream=StreamRef(name="eego", source_id="eego-00417"),
        rate_hz=Rate(nominal=500.0, measured=499.98, ppm=-41.5),
        latency_ms=Latency(p50=2.4, p95=3.1, p99=4.0),
        cpu_percent=4.6,
        uptime_s=56.2,
        n_predictions=813,
        n_gaps=1,
        n_skipped=3,
        n_overflow=0,
        profile=PROFILE,
        drift=DriftRef(signal=0.8, limit=2.5, logits=0.3, reference="calibration"),
        bad_channels={"FC5": "flat"},
        recording="/home/lab/.local/share/rtbci/sessions/20260131T093000Z-motor_imagery-p07",
    )


def _hello() -> Hello:
    return Hello(
        v=1,
        session=SESSION,
        seq=0,
        t_sent=5256.3,
        rtbci="0.1.0",
        paradigm="motor_imagery",
        classes=CLASSES,
        rates_hz=Rates(stream=500.0, decoder=256.0, prediction=16.0),
        window_s=3.0,
        hop_s=0.0625,
        delay_s=0.061,
        engine=ENGINE,
        profile=PROFILE,
        decision=DecisionSettings(
            threshold=0.7, dwell_s=0.25, refractory_s=1.0, smoothing_s=0.5, source="profile"
        ),
    )


def control_samples() -> dict[str, msgspec.Struct]:
    """Return every request, and both kinds of reply."""
    refused = Failure(kind="ProfileError", message="profile p08: no such profile, need one of p07; see ...")
    return {
        "control request": Mark(id=7, client="game-4f2a", value="level-2"),
        "control request status": StatusRequest(id=1),
        "control request swap_profile": SwapProfile(id=2, profile="p07"),
        "control request pause": Pause(id=3),
        "control request resume": Resume(id=4),
        "control request stop": Stop(id=5),
        "control reply": Reply(v=1, id=7, ok=True, result={"t_lsl": 5312.40625}),
        "control refusal": Reply(v=1, id=8, ok=False, error=refused),
    }


def schema_text() -> str:
    """Return docs/message-schema.json as it should be: the schema, with examples of every message."""
    whole = schema()
    for sample in (*samples().values(), *control_samples().values()):
        definition = whole["$defs"][type(sample).__name__]
        definition.setdefault("examples", []).append(msgspec.to_builtins(sample))
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def page_text(page: str) -> str:
    """Return docs/messages.md with its generated parts renewed.

    Parameters
    ----------
    page : str
        The page as it is; parts stand between ``<!-- begin NAME -->`` and ``<!-- end -->``.
    """
    parts = {name: _example(json.loads(encode(message))) for name, message in samples().items()}
    parts |= {name: _example(msgspec.to_builtins(message)) for name, message in control_samples().items()}
    definitions = schema()["$defs"]
    parts |= {f"fields of {name}": _fields(name, definitions) for name in definitions}

    def renew(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in parts:
            raise SystemExit(f"{PAGE}: part {name!r} is unknown, need one of {', '.join(parts)}")
        return f"<!-- begin {name} -->\n{parts[name]}\n<!-- end -->"

    return re.sub(r"<!-- begin ([^>]+?) -->\n.*?<!-- end -->", renew, page, flags=re.DOTALL)


def _example(fields: dict[str, Any]) -> str:
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    return f"```json\n{{\n{rows}\n}}\n```"


def _fields(name: str, definitions: dict[str, Any]) -> str:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for field, kind in definitions[name]["properties"].items():
        text = kind.get("description") or definitions.get(_reference(kind), {}).get("description", "")
        rows.append(f"| `{field}` | {_type(kind)} | {text} |")
    return "\n".join(rows)


def _reference(kind: dict[str, Any]) -> str:
    return str(kind.get("$ref", "")).rsplit("/", 1)[-1]


def _type(kind: dict[str, Any]) -> str:
    """Return a schema's type in words."""
    if "anyOf" in kind:
        return " or ".join(_type(one) for one in kind["anyOf"])
    if "enum" in kind:
        return ", ".join("null" if value is None else f"`{value}`" for value in kind["enum"])
    if "$ref" in kind:
        return _reference(kind)
    if kind.get("type") == "array":
        if "prefixItems" in kind:
            return f"array of {len(kind['prefixItems'])} {_type(kind['prefixItems'][0])}s"
        return f"array of {_type(kind['items'])}s"
    return str(kind.get("type", "any"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Write the message schema and the generated parts of its page."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is not current"
    )
    only_check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    status = 0
    for path, text in ((SCHEMA_FILE, schema_text()), (PAGE, page_text(page))):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if only_check:
            print(f"{path} is not current; run python tools/write_schema.py", file=sys.stderr)
            status = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
