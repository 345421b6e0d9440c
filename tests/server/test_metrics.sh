#!/usr/bin/env bash
# GET /metrics: by the rules of Prometheus' text format, and right about the requests there were.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
session metrics
