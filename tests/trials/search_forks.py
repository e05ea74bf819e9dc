"""A program whose forks search side by side, and die where they are told to."""

FORKS = """
import gc, os, signal, sys
from pathlib import Path
import alembic.command, optuna.importance, optuna.storages._rdb.models, optuna.storages._rdb.storage, pandas
import psycopg, sklearn.ensemble, sqlalchemy.dialects.postgresql.psycopg, torch  # once for all
import pyarrow.parquet, transformers.models.bert.modeling_bert, transformers.tokenization_utils_sentencepiece
from danlu.machine.limit import FEWEST, limit_of
from danlu.stages.recipe import read
from danlu.train.run import TrainingRun
from danlu.trials.leases import Leases
from danlu.trials.search import search
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def begun(said):
    return sum(line.startswith("trial ") and " of " in line for line in said)

def work(moment, source, root, storage, overrides):
    said = []
    rate, take, tell = TrainingRun._rate, Leases.take, optuna.Study.tell
    if moment == "training":
        TrainingRun._rate = lambda self, step: die() if begun(said) == 2 and step == 3 else rate(self, step)
    if moment == "asking":
        Leases.take = lambda self, trial: die() if trial == 3 else take(self, trial)
    if moment == "telling":
        optuna.Study.tell = lambda self, *given, **named: die() if given[0] == 3 else tell(self, *given, **named)
    file = open(root.parent / f"said.{os.getpid()}", "w", encoding="utf-8", buffering=1)
    def say(line):
        said.append(line)
        print(line, file=file)
    search(source, overrides, root, storage or None, say=say)

source, *rounds = sys.argv[1:]
read(source), get_checkpoint_conversion_mapping("bert")
torch.set_num_threads(1)
for _ in range(FEWEST):  # how fast the machine is, which each would measure
    limit_of(torch.float32).beside(0.0, 0.0)
gc.freeze()  # else what children look through in vain is copied for each of them
for told in rounds:
    root, storage, moments, *overrides = told.split("|")
    children = []
    for moment in moments.split(","):
        child = os.fork()
        if not child:
            work(moment, source, Path(root), storage, overrides)
            os._exit(0)
        children.append(child)
    for child in children:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
