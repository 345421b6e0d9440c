"""lm-evaluation-harness over /v1/completions with the server's own tokenizer: what it scores is what the program scores."""
import math
import os
import subprocess
import tempfile

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

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
