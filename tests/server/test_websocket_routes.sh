#!/usr/bin/env bash
# /v1/realtime and /v1/ws: what is said there, to whom, and what a client can do to the server.
# shellcheck source=tests/server/session.sh
source "$(dirname "$0")/session.sh"
session websocket
