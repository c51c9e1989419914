"""Probes."""

from fastapi import APIRouter, HTTPException

from app.deps import ChampionDep
from app.responses import Ready, problem

router = APIRouter(tags=["probes"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Reports that the process answers."""
    return {"status": "ok"}


@router.get("/ready", responses={503: problem("No verified model, and no word that there is none yet.")})
async def ready(champion: ChampionDep) -> Ready:
    """Returns whether requests may come: a verified model is loaded, or the registry has no champion yet."""
    if not champion.ready:
        raise HTTPException(503, _reason(champion))
    version = champion.version
    return Ready(model=version.name, version=version.version) if version else Ready()


def _reason(champion: ChampionDep) -> str:
    if champion.refusal:
        return f"The champion is refused: {champion.refusal.reason}"
    return f"No model is on disk, and the registry is away: {champion.registry_state.detail}"
