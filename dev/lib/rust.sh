# shellcheck shell=bash
# The Rust side of the scripts of dev/: where cargo is, where it builds. Needs common.sh. Sourced, never run.

ROOT=$(cd "$DEV/.." && pwd)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
[[ $TARGET == /* ]] || TARGET=$ROOT/$TARGET
# rustup puts its programs there, and tells only login shells so.
PATH=$PATH:$HOME/.cargo/bin
export ROOT TARGET PATH

# rust_there COMPONENT…: is the toolchain there, with these programs of cargo's? Missing ones are added where rustup can.
rust_there() {
  local component
  command -v cargo >/dev/null || die 'there is no cargo' 'Install Rust (1.95 or newer) by way of https://rustup.rs, then run this again.'
  for component; do
    (cd "$ROOT" && cargo "${component#rust}" --version >/dev/null 2>&1) && continue
    if ! command -v rustup >/dev/null || ! (cd "$ROOT" && rustup component add "$component") >>"$LAB_LOG" 2>&1; then
      die "this Rust has no $component" "Add it: rustup component add $component"
    fi
  done
}

# without_settings: nothing of db4sci's own in the environment, whatever the caller's shell has. The lab's stays.
without_settings() {
  local name
  for name in "${!DB4SCI_@}"; do
    [[ $name == DB4SCI_LAB || $name == DB4SCI_LAB_* || $name == DB4SCI_LOG ]] || unset "$name"
  done
}
