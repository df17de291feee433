#!/bin/sh
# Unpack Debian packages, named line by line in the file $1, below the folder $2. It installs nothing and needs no root.
set -eu
list=$(realpath "$1"); target=$2
mkdir -p "$target/work"
target=$(realpath "$target"); work=$target/work
trap 'rm -rf "$work"' EXIT
cd "$work"

# Lists of its own, where the machine has none or old ones; only root may renew the machine's.
own="-o Dir::State::Lists=$work/lists -o Dir::Cache=$work/cache -o Debug::NoLocking=1 -o APT::Sandbox::User="

get() {
    for name in $1; do
        # shellcheck disable=SC2086
        apt-get $2 --quiet=2 download "$name" >/dev/null 2>&1 && return
    done
    return 1
}

all() {
    sed -e 's/#.*//' -e '/^ *$/d' "$list" | while IFS= read -r names; do
        get "$names" "$1" || { echo "no package $names" >&2; exit 1; }
    done
}

# shellcheck disable=SC2086
all "" 2>/dev/null || { mkdir -p lists/partial cache/archives/partial && apt-get $own --quiet=2 update >&2 && all "$own"; }
for package in ./*.deb; do dpkg-deb -x "$package" "$target"; done
