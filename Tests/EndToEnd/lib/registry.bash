# A registry of one test, and a front before it that makes mistakes on order.
# shellcheck shell=bash

free_port() {
  python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

wait_for_port() {
  local _
  for _ in $(seq 100); do
    (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  echo "nothing listens on port $1"
  return 1
}

# Starts docker-registry on 127.0.0.1; PORT and REGISTRY name it. Arguments: `tls`, `password`.
start_registry() {
  need docker-registry
  PORT=$(free_port)
  REGISTRY=127.0.0.1:$PORT
  mkdir -p "$T/registry"
  {
    echo "version: 0.1"
    echo "log: {level: info, accesslog: {disabled: true}}"
    echo "storage: {filesystem: {rootdirectory: $T/registry}, delete: {enabled: true}}"
    echo "http:"
    echo "  addr: $REGISTRY"
    if [[ " $* " == *" tls "* ]]; then
      make_certificate
      echo "  tls: {certificate: $T/tls.crt, key: $T/tls.key}"
    fi
    if [[ " $* " == *" password "* ]]; then
      need htpasswd
      htpasswd -Bbn me secret >"$T/htpasswd"
      echo "auth: {htpasswd: {realm: here, path: $T/htpasswd}}"
    fi
  } >"$T/registry.yml"
  run_registry
}

# Starts it again where it was.
run_registry() {
  # It takes variables that begin with its name for its configuration.
  env -u REGISTRY_AUTH_FILE docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 3>&- &
  CHILDREN+=($!)
  REGISTRY_PID=$!
  wait_for_port "$PORT"
}

stop_registry() {
  kill -9 "$REGISTRY_PID"
  wait "$REGISTRY_PID" 2>/dev/null || true
}

# A certificate of an authority of its own for 127.0.0.1: $T/ca.crt, $T/tls.crt, $T/tls.key.
make_certificate() {
  need openssl
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
    -keyout "$T/ca.key" -out "$T/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout "$T/tls.key" \
    -out "$T/tls.csr" 2>/dev/null
  openssl x509 -req -in "$T/tls.csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo subjectAltName=IP:127.0.0.1) -out "$T/tls.crt" 2>/dev/null
}

# The front; FRONT names it. Orders go to $T/front/faults, see registry-proxy.py.
start_front() {
  FRONT_PORT=$(free_port)
  FRONT=127.0.0.1:$FRONT_PORT
  mkdir -p "$T/front"
  : >"$T/front/log"
  "$HERE/lib/registry-proxy.py" "$FRONT_PORT" "$PORT" "$T/front" >"$T/front.out" 2>&1 3>&- &
  CHILDREN+=($!)
  wait_for_port "$FRONT_PORT"
}

faults() { printf '%s\n' "$@" >"$T/front/faults"; : >"$T/front/log"; }
# How often the front was asked so.
asked() { grep -cE -- "$1" "$T/front/log" || true; }

# Nothing of this machine's configuration counts.
own_configuration() {
  mkdir -p "$T/config"
  echo 'unqualified-search-registries = []' >"$T/config/registries.conf"
  echo '{}' >"$T/config/auth.json"
  export CONTAINERS_REGISTRIES_CONF=$T/config/registries.conf REGISTRY_AUTH_FILE=$T/config/auth.json
}

pull() { strata pull --quiet --state-dir "$T/state" "$@"; }
push() { strata push --quiet "$@"; }

# Blobs come from another host, which notes in $T/cdn/log what it is asked; the registry wants a token.
redirect_blobs() {
  local behind
  behind=$(free_port)
  mkdir "$T/cdn"
  "$HERE/lib/registry-proxy.py" "$behind" "$PORT" "$T/cdn" >"$T/cdn.out" 2>&1 3>&- &
  CHILDREN+=($!)
  wait_for_port "$behind"
  faults "* GET blobs/ redirect $behind" "* * /v2/ token"
}
