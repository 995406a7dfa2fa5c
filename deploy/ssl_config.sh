#!/bin/sh
# Writes TensorFlow Serving's --ssl_config_file, which holds a key and its certificate themselves, to standard output:
#
#     deploy/ssl_config.sh serving.key serving.crt [authority-of-clients.crt] > ssl_config.txt
#
# With it, TensorFlow Serving's gRPC speaks TLS only; its REST and its metrics stay as they are. The gateway then needs
# --backend_ca, the authority of serving.crt, which must name the host in --backends.
set -eu
umask 077

field() {
    printf '%s: "' "$1"
    awk '{ printf "%s\\n", $0 }' "$2"
    printf '"\n'
}

[ $# -ge 2 ] || { echo "usage: $0 KEY CERTIFICATE [AUTHORITY_OF_CLIENTS]" >&2; exit 2; }
field server_key "$1"
field server_cert "$2"
if [ $# -ge 3 ]; then
    field custom_ca "$3"
    echo 'client_verify: true'
fi
