"""What many write in an afternoon: FastAPI before a pipeline of transformers. One JSON argument: folder, port."""

import json
import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

job = json.loads(sys.argv[1])
classify = pipeline("text-classification", model=job["folder"], dtype=getattr(torch, job["dtype"]))
app = FastAPI()


class Asked(BaseModel):
    """A text."""

    text: str


@app.post("/predict")
def predict(asked: Asked) -> dict[str, object]:
    """Its label; FastAPI runs it in a thread."""
    (found,) = classify([asked.text])
    return {"label": found["label"], "score": found["score"]}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=job["port"], log_level="warning")
