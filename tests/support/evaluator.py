"""An evaluator of a team's own, in the standard library: asks the candidate the whole set and prints a report.

Words of its command choose another end: `refuse`, `break`, `chatter` (no report), `hang`.
"""

import json
import os
import sys
import time
import urllib.request

mode = sys.argv[1] if len(sys.argv) > 1 else "report"
if mode == "hang":
    time.sleep(600)
if mode == "refuse":
    print("looked at the answers\nthey are rude", file=sys.stderr)
    sys.exit(3)
if mode == "chatter":
    print("all fine, I think")
    sys.exit(0)
with open(os.environ["TIDEGATE_EVALUATION_SET"]) as lines:  # noqa: PTH123 as short as it can be
    examples = [json.loads(line) for line in lines]
right = 0
for example in examples:
    body = json.dumps(example["input"]).encode()
    with urllib.request.urlopen(f"{os.environ['TIDEGATE_ADDRESS']}/", body, timeout=10) as answer:
        right += json.load(answer)["parity"] == example["expected"]["parity"]
print("asked", len(examples), "times")
print(json.dumps({"metrics": {"accuracy": right / len(examples), "politeness": 0.75}, "slices": {}}))
