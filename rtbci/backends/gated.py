"""The gate with a memory: run once for an engine on a computer, then remembered in the cache."""

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext

import msgspec

from rtbci.backends.cache import EngineCache
from rtbci.backends.cuda import find_gpu
from rtbci.backends.gate import GateReport, check_session, open_reference, reference_name, tolerance_of
from rtbci.backends.gate_store import GateKey, GateStore, contract_id
from rtbci.backends.registry import BACKENDS
from rtbci.backends.session import Session
from rtbci.backends.usable import version_of
from rtbci.recipes import EngineRecipe, ParadigmRecipe
from rtbci.versions import cpu_name

__all__ = ["gate_of"]


def gate_of(
    session: Session,
    recipe: EngineRecipe,
    cache: EngineCache,
    told: Callable[[str], None],
    *,
    paradigms: Sequence[ParadigmRecipe] = (),
    max_batch: int | None = None,
    anew: bool = False,
    reference: Session | None = None,
) -> GateReport:
    """What the gate finds, or found, about a session.

    Parameters
    ----------
    session : Session
    recipe : EngineRecipe
        Of the session.
    cache : EngineCache
        Remembers.
    told : callable
        Gets a sentence when the gate is run.
    paradigms : sequence of ParadigmRecipe
        Beside those that come with rtbci.
    max_batch : int, optional
        Largest batch of a compiled engine; the recipe's by default.
    anew : bool
        Run the gate whatever is remembered.
    reference : Session, optional
        One that is open already, see `open_reference`; not closed here.

    Raises
    ------
    RtbciError
        When session, reference or golden numbers cannot be used.
    """
    # The probe is further down the stream than back ends are: what it needs is imported here, when it is used.
    from rtbci.runtime.engine_gate import check_decisions, paradigm_files, paradigms_of

    decoders = paradigms_of(recipe, paradigms)
    files = [path for one in decoders for path in paradigm_files(one)]
    if recipe.golden is not None:
        files.insert(0, recipe.folder / recipe.golden)
    max_batch = max_batch or recipe.max_batch
    store = GateStore(cache.root / "gates", told)
    key = _key(
        session,
        max_batch,
        reference_name(recipe),
        contract_id(tolerance_of(recipe, session.precision).model_dump(), files),
    )
    if not anew and (found := store.find(key)) is not None:
        return found
    told(f"engine '{recipe.name}': comparing {session.backend} in {session.precision} with {key.reference}")
    with nullcontext(reference) if reference is not None else closing(open_reference(recipe)) as known:
        report = check_session(session, recipe, known, key.reference, max_batch)
        decisions = check_decisions(session, known, recipe, decoders)
    report = msgspec.structs.replace(report, decisions=tuple(decisions))
    store.write(key, report)
    return report


def _key(session: Session, max_batch: int, reference: str, contract: str) -> GateKey:
    gpu = find_gpu() if BACKENDS[session.backend].kind == "gpu" else None
    return GateKey(
        engine_id=session.engine_id,
        network_id=session.network_id,
        backend=session.backend,
        precision=session.precision,
        device=cpu_name() if gpu is None else gpu.name,
        backend_version=version_of(session.backend),
        driver="" if gpu is None else gpu.driver,
        max_batch=max_batch,
        reference=reference,
        contract_id=contract,
    )
