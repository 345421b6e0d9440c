"""lm-evaluation-harness over /v1/completions with the server's own tokenizer: what it scores is what the program scores."""
import json
import math
import os
import subprocess
import tempfile

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager

TEXTS = [("Once upon a time", ", and when he had"), ("The King", " said to the fox"), ("The", " quick brown fox")]


def model(**options):
    return LocalCompletionsAPI(model="demo", base_url=os.environ["SERVER"] + "/v1/completions", max_length=511,
                               tokenizer_backend="remote", **options)


def program_logprob(ids, n_context):
    """The same sum from `bitnet eval logits`."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "logits")
        subprocess.run([os.environ["BITNET"], "eval", "logits", "demo", "--tokens", ",".join(map(str, ids)), "-o", path],
                       check=True, capture_output=True)
        with open(path, "rb") as file:
            rows = memoryview(file.read()).cast("f")
    n_vocab, total = len(rows) // len(ids), 0
    for i in range(n_context, len(ids)):
        row = rows[(i - 1) * n_vocab:i * n_vocab]
        top = max(row)
        total += row[ids[i]] - top - math.log(math.fsum(math.exp(z - top) for z in row))
    return total


def test_loglikelihood():
    requests = [Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i) for i, pair in enumerate(TEXTS)]
    harness = model(batch_size=2)
    for (context, continuation), (logprob, is_greedy) in zip(TEXTS, harness.loglikelihood(requests)):
        ids = harness.tok_encode(context + continuation)
        expected = program_logprob(ids, len(harness.tok_encode(context)))
        assert abs(logprob - expected) < 1e-4 and is_greedy in (True, False), (logprob, expected)


def test_generate_until():
    request = Instance(request_type="generate_until", doc={}, idx=0,
                       arguments=("Once upon a time", {"until": ["\n"], "max_gen_toks": 8, "temperature": 0}))
    text, = model(batch_size=1).generate_until([request])
    assert text and "\n" not in text


def test_local_task():
    """A task of one's own, from a file of questions to its score: what the program itself says of the choices."""
    docs = [{"query": context, "choices": [continuation, " zzz qqq xx", " vvv"], "gold": i % 2}
            for i, (context, continuation) in enumerate(TEXTS)]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "stories.jsonl"), "w") as file:
            file.writelines(json.dumps(doc) + "\n" for doc in docs)
        with open(os.path.join(folder, "stories.yaml"), "w") as file:
            json.dump({"task": "stories", "dataset_path": "json", "output_type": "multiple_choice", "test_split": "test",
                       "dataset_kwargs": {"data_files": {"test": os.path.join(folder, "stories.jsonl")}},
                       "doc_to_text": "{{query}}", "doc_to_choice": "choices", "doc_to_target": "gold",
                       "target_delimiter": "", "metric_list": [{"metric": "acc"}]}, file)  # YAML includes JSON
        os.environ["HF_DATASETS_CACHE"] = folder
        scores = lm_eval.simple_evaluate(model=model(batch_size=4), tasks=["stories"], bootstrap_iters=0,
                                         task_manager=TaskManager(include_path=folder, include_defaults=False))
    assert scores["results"]["stories"]["acc,none"] == sum(best_choice(doc) == doc["gold"] for doc in docs) / len(docs)


def best_choice(doc):
    harness = model()
    n = len(harness.tok_encode(doc["query"]))
    logprobs = [program_logprob(harness.tok_encode(doc["query"] + choice), n) for choice in doc["choices"]]
    return logprobs.index(max(logprobs))
