"""What is being served."""

from collections.abc import Sequence

from fastapi import APIRouter

from app.champion import Refusal
from app.deps import ChampionDep
from app.model import ServedModel
from app.responses import (
    ClassLabel,
    Column,
    InputField,
    ModelReport,
    RefusedChampion,
    RegistryReport,
    TransformReport,
)
from bundle.transforms import Input

router = APIRouter(tags=["model"])


@router.get("/metadata")
async def metadata(champion: ChampionDep) -> ModelReport:
    """Describes the model, the columns it expects, and how the registry does."""
    registry = RegistryReport(
        reachable=champion.registry_state.reachable,
        detail=champion.registry_state.detail,
        refused=_refused(champion.refusal) if champion.refusal else None,
    )
    return _report(champion.model, registry) if champion.model else ModelReport(registry=registry)


def _refused(refusal: Refusal) -> RefusedChampion:
    return RefusedChampion(
        version=refusal.version.version if refusal.version else None, reason=refusal.reason
    )


def _report(model: ServedModel, registry: RegistryReport) -> ModelReport:
    contract, inputs = model.bundle.contract, model.bundle.inputs
    return ModelReport(
        model=model.version.name,
        version=model.version.version,
        digest=model.version.digest,
        run_id=model.version.run_id,
        engine=contract.engine.type,
        target=contract.target,
        transforms=[_transform(name, transform.inputs) for name, transform in inputs.transforms.items()],
        columns=[
            Column(
                name=feature.name,
                type=feature.type,
                range=feature.range,
                categories=list(feature.categories) if feature.type == "category" else None,
                nullable=feature.nullable,
                made_by=inputs.maker(feature.name),
            )
            for feature in contract.features
        ],
        classes=[ClassLabel(value=label.value, name=label.name) for label in contract.labels],
        metrics=contract.metrics,
        data_sha256=contract.data_sha256,
        loaded_at=model.loaded_at,
        registry=registry,
    )


def _transform(name: str, inputs: Sequence[Input]) -> TransformReport:
    fields = [
        InputField(name=field.name, type=field.type, description=field.description, nullable=field.nullable)
        for field in inputs
    ]
    return TransformReport(type=name, inputs=fields)
