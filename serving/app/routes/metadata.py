"""What is being served."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from app.champion import Champion, Refusal, RegistryState
from app.deps import ReportDep
from app.model import ServedModel
from app.rendered import Rendered
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


@router.get("/metadata", response_model=ModelReport)
async def metadata(report: ReportDep) -> Response:
    """Describes the model, the columns it expects, and how the registry does."""
    return Response(report(), media_type="application/json")


def report_of(champion: Champion) -> Rendered:
    """Returns what `/metadata` answers."""
    return Rendered(lambda: (champion.model, champion.registry_state, champion.refusal), _rendered)


def _rendered(model: ServedModel | None, state: RegistryState, refusal: Refusal | None) -> bytes:
    registry = RegistryReport(
        reachable=state.reachable, detail=state.detail, refused=_refused(refusal) if refusal else None
    )
    report = _report(model, registry) if model else ModelReport(registry=registry)
    return report.model_dump_json().encode()


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
