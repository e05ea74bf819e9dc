"""The `train:` section of a recipe: how long, how fast, how careful."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from danlu.machine.crew import MOST
from danlu.recipe.part import Part
from danlu.train.optimizer import OptimizerName
from danlu.train.recorder import Recorder
from danlu.train.schedule import Schedule, rate_factor

Parallel = Literal["ddp", "fsdp"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


Share = Annotated[float, Field(ge=0, lt=1)]


BETAS = (0.9, 0.98)
BATCH_TOKENS = 2048


class Training(Part):
    """How a model is trained."""

    epochs: float | None = Field(default=None, gt=0, description="passes over the data; default 3")
    steps: int | None = Field(default=None, ge=1, description="optimizer steps, instead of epochs")
    rate: float = Field(default=2e-4, gt=0, description="peak learning rate")
    schedule: Schedule = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps in which the rate rises")
    optimizer: OptimizerName = Field(
        default="adamw",
        description="muon: of matrices, the rest by adamw; adafactor: its rate is a share of what moves, such as 1e-2",
    )
    matrix_rate: float | None = Field(
        default=None,
        gt=0,
        description="peak rate of the matrices of muon; None: 'rate', for its steps are those of adamw",
    )
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[Share, Share] = Field(default=BETAS, description="of adamw")
    momentum: float | None = Field(default=None, ge=0, lt=1, description="of sgd and muon; None: 0.9, of muon 0.95")
    clip: float = Field(default=1.0, ge=0, description="largest gradient norm; 0: no clipping")
    batch_tokens: int = Field(default=BATCH_TOKENS, ge=8, description="tokens a batch, padding included")
    batch_examples: int | None = Field(default=None, ge=1, description="examples a batch, instead of tokens")
    accumulate: int = Field(default=1, ge=1, description="batches an optimizer step")
    precision: Precision = Field(default="auto", description="auto: what is measured to be fastest here")
    threads: int = Field(default=1, ge=1, le=MOST, description="replicas that share each batch side by side on a CPU")
    recompute: bool = Field(
        default=False, description="compute layers anew on the way back, so that larger batches fit into memory"
    )
    compile: bool = Field(
        default=False, description="let torch write kernels for the layers; on an accelerator, for long trainings"
    )
    parallel: Parallel | None = Field(
        default=None,
        description="processes that share each step (danlu run --processes N): ddp: each has the model, fsdp: a part",
    )
    average: float = Field(default=0.0, ge=0, lt=1, description="decay of averaged weights; 0: no averaging")
    evaluate: int | None = Field(default=None, ge=1, description="steps between validations; None: once an epoch")
    patience: int | None = Field(default=None, ge=1, description="validations without a new best before stopping")
    validation_records: int | None = Field(
        default=None, ge=1, description="at most so many are looked at each time; None: 2,000, or 200 that are written"
    )
    checkpoint_seconds: float = Field(default=120, gt=0, description="time between checkpoints")
    bad_steps: int = Field(
        default=5, ge=1, description="steps in a row without a finite loss, each left out, at which the training ends"
    )
    rollback: bool = Field(
        default=False, description="go back where the loss rises far or is not finite, and on without those batches"
    )
    rollback_steps: int | None = Field(
        default=None, ge=1, description="steps between the checkpoints that 'rollback' goes back to; None: 100"
    )
    recorders: tuple[Recorder, ...] = Field(default=(), description="beside log.jsonl, which is always written")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("'epochs' and 'steps' both say how long to train; give one of them")
        if self.batch_examples is not None and self.batch_tokens != BATCH_TOKENS:
            raise ValueError("'batch_tokens' and 'batch_examples' both say how large a batch is; give one of them")
        if self.matrix_rate is not None and self.optimizer != "muon":
            raise ValueError("'matrix_rate' is of the optimizer 'muon' alone; leave it out, or use that one")
        if self.momentum is not None and self.optimizer not in ("sgd", "muon"):
            raise ValueError(f"'momentum' is of sgd and muon, and the optimizer is {self.optimizer}; leave it out")
        if self.betas != BETAS and self.optimizer not in ("adamw", "muon"):
            raise ValueError(f"'betas' are of adamw and muon, and the optimizer is {self.optimizer}; leave them out")
        if self.rollback_steps is not None and not self.rollback:
            raise ValueError(
                "'rollback_steps' says how far 'rollback' goes back; set 'rollback: true', or leave it out"
            )
        return self

    def validated(self, *, written: bool) -> int:
        """How many records are looked at each time; fewer where each answer is `written` token by token."""
        return self.validation_records or (200 if written else 2000)

    def moves(self) -> dict[str, Any]:
        """What `build_optimizer` is given beside the rate."""
        names = ("weight_decay", "betas", "momentum", "matrix_rate")
        return {name: getattr(self, name) for name in names}

    def rate_at(self, step: int, total: int) -> float:
        """The learning rate of a step, counted from 0, of `total`."""
        return self.rate * rate_factor(self.schedule, step, total, int(self.warmup * total))

    def total_steps(self, steps_an_epoch: int) -> int:
        """How many optimizer steps the whole training takes."""
        if self.steps is not None:
            return self.steps
        return max(1, round((3.0 if self.epochs is None else self.epochs) * steps_an_epoch))
