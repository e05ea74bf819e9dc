"""MLflow: `runs/<recipe>/mlflow.db`, or a server."""

import os
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from danlu.train.recorder import Line, Outcome, Recorder
from danlu.train.tracked import Journal, Told, told

_STATUS: dict[Outcome, str] = {"done": "FINISHED", "returned": "KILLED", "interrupted": "KILLED", "failed": "FAILED"}
_LONGEST = 6000  # characters that MLflow takes for the value of a parameter


class Mlflow(Recorder):
    """Write for MLflow; look at it with `mlflow ui --backend-store-uri sqlite:///runs/RECIPE/mlflow.db`."""

    modules: ClassVar[tuple[str, ...]] = ("mlflow", "sqlalchemy", "alembic")

    uri: str | None = Field(
        default=None,
        min_length=1,
        description="a server, or a database as sqlite:///FILE; None: runs/<recipe>/mlflow.db",
    )
    experiment: str | None = Field(default=None, min_length=1, description="None: the name of the recipe")

    def open(self, folder: Path, step: int) -> "MlflowWriter":
        """Begin a run, or go on with the one that an interrupted training has begun."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before its import, which tells its makers
        import logging

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        from mlflow.tracking import MlflowClient

        subject = told(folder)
        client = MlflowClient(tracking_uri=self.uri or f"sqlite:///{subject.runs / 'mlflow.db'}")
        journal = Journal(folder, self.kind, subject)
        if journal.goes_on:
            client.update_run(journal.record, status="RUNNING")
        else:
            journal.begun(self._begun(client, subject))
        return MlflowWriter(client, journal)

    def _begun(self, client: Any, subject: Told) -> str:
        from mlflow.entities import Param

        name = self.experiment or subject.recipe
        known = client.get_experiment_by_name(name)
        where = known.experiment_id if known else client.create_experiment(name, _artifacts(self.uri, subject))
        run = client.create_run(where, run_name=subject.name, tags={"fingerprint": subject.fingerprint})
        settings = [Param(key, str(value)[:_LONGEST]) for key, value in subject.flat.items()]
        for begin in range(0, len(settings), 100):  # as many as MLflow takes at once
            client.log_batch(run.info.run_id, params=settings[begin : begin + 100])
        return str(run.info.run_id)


class MlflowWriter:
    """An open run."""

    def __init__(self, client: Any, journal: Journal) -> None:
        """Write into a run of MLflow what the journal says that it lacks."""
        self._client, self._journal = client, journal
        journal.catch_up(self._tell)

    def write(self, line: Line) -> None:
        """Add every number of a line."""
        self._journal.tell(line, self._tell)

    def close(self, outcome: Outcome) -> None:
        """End the run; status and a tag tell how the training was left."""
        self._client.set_tag(self._journal.record, "outcome", outcome)
        self._client.set_terminated(self._journal.record, _STATUS[outcome])
        self._journal.close(outcome)

    def _tell(self, numbers: dict[str, float], step: int) -> None:
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in numbers.items()]
        self._client.log_batch(self._journal.record, metrics=metrics)


def _artifacts(uri: str | None, subject: Told) -> str | None:
    """Where MLflow would keep files: beside its database, not in the folder that danlu is called in."""
    return None if uri else (subject.runs / "mlflow.record").as_uri()
