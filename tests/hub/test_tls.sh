#!/usr/bin/env bash
# Over TLS: a certificate that can't be trusted is named, nothing is sent; with its authority it works.
source "$(dirname "$0")/lib.sh"
command -v openssl >/dev/null || { skip "TLS: no openssl"; finish; }
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext 'subjectAltName=IP:127.0.0.1,IP:127.0.0.2' -keyout key.pem -out cert.pem 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout key2.pem -out cert2.pem 2>/dev/null
repo ours/small >/dev/null
hub_start --tls cert.pem key.pem

HF_TOKEN=hf_good bitnet model download ours/small --json
check "a certificate that nobody vouches for" eval 'exits 1 && prints "\"error\":\"bad_certificate\"" && says "SSL_CERT_FILE"'
SSL_CERT_FILE=cert2.pem bitnet model download ours/small
check "one that another authority vouches for" fails_saying "can't trust the certificate of 127.0.0.1" 1
SSL_CERT_FILE=cert.pem HF_TOKEN=hf_good bitnet model download ours/small
check "its own authority: works" eval 'exits 0 && cmp hub/ours/small/main/model.safetensors "$(cat out)/model.safetensors"'
HF_ENDPOINT=${HF_ENDPOINT/https/http} bitnet model download ours/small --retries 1
check "no TLS where it is expected" exits 1
finish
