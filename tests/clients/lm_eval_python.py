"""lm-evaluation-harness over /v1/completions: what it scores is what the program itself scores."""
import json
import math
import os
import subprocess
import tempfile

import lm_eval
from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.api.instance import Instance

TEXTS = [("Once upon a time", ", and when he had"), ("The King", " said to the fox"), ("The", " quick brown fox")]


def model(**options):
    return LocalCompletionsAPI(model="demo", base_url=os.environ["SERVER"] + "/v1/completions", tokenizer_backend=None,
                               tokenized_requests=False, max_length=512, **options)


def test_loglikelihood():
    requests = [Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i) for i, pair in enumerate(TEXTS)]
    results = model(batch_size=1).loglikelihood(requests)
    assert len(results) == len(TEXTS)
    for logprob, is_greedy in results:
        assert math.isfinite(logprob) and logprob < 0 and is_greedy in (True, False)


def test_generate_until():
    request = Instance(request_type="generate_until", doc={}, idx=0,
                       arguments=("Once upon a time", {"until": ["\n"], "max_gen_toks": 8, "temperature": 0}))
    text, = model(batch_size=1).generate_until([request])
    assert text and "\n" not in text
