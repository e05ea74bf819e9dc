#!/usr/bin/env bash
# All that a server of danlu answers, asked with curl: bash curl.sh
# DANLU_URL says where it is, DANLU_KEY is a key that `danlu key keys.yaml NAME --admin` has shown, and the other names
# are those of the models.
set -euo pipefail

URL=${DANLU_URL:-http://127.0.0.1:8000}
REVIEWS=${REVIEWS:-reviews} SHOP=${SHOP:-shop} PAIRS=${PAIRS:-pairs} QUERIES=${QUERIES:-queries}

# A refusal is printed and ends the script. The key comes from a pipe: what stands in a command line, all users see.
ask() {
    local path=$1
    shift
    printf '\n%s\n' "$path"
    curl --silent --show-error --fail-with-body --no-buffer --header 'Content-Type: application/json' \
        --header @<(printf 'Authorization: Bearer %s' "${DANLU_KEY:-none}") "$@" "$URL$path"
}

ask /v1/models

# A record has the columns of the training data; "texts" is short for records of a text alone.
ask /v1/predict --data '{"model": "'"$REVIEWS"'", "texts": ["物流很快", "It broke after a week."]}'

# A record a line in, a prediction a line out: for files of any length up to the limit of a body (8 MiB).
printf '%s\n' '{"text": "物流很快"}' '{"text": "It broke after a week."}' |
    ask "/v1/predict/lines?model=$REVIEWS" --data-binary @-

# Events as they are written, the last one says [DONE].
ask /v1/chat/completions --data '{"model": "'"$SHOP"'", "stream": true, "max_tokens": 20,
    "messages": [{"role": "user", "content": "几点开门？"}]}'

ask /v1/embeddings --data '{"model": "'"$PAIRS"'", "input": ["茶怎么做？", "怎么泡茶？"]}'

ask /v1/rerank --data '{"model": "'"$QUERIES"'", "query": "杜甫是哪里人？", "top_n": 1,
    "documents": ["杜甫生于巩县。", "今天下雨。"]}'

# For a server that was started with --feedback sqlite:///feedback.db
ask /v1/feedback --data '{"model": "'"$REVIEWS"'", "record": {"text": "物流很快"}, "correct": true}'

# Take a model anew from its folder, without losing a request; with keys, one of an admin is wanted.
ask /admin/reload --data '{"model": "'"$REVIEWS"'"}'

ask /health/live
ask /health/ready
ask /metrics
