#!/bin/sh
# Builds the packages into dist/: DEB and RPM for each architecture, the list
# of modules (CycloneDX), the licence texts, and checksums. "make packages"
# calls it. The same commit gives the same bytes, also elsewhere.
#
# GO           the Go command; go
# NFPM         how to run nfpm
# LDFLAGS      of the linker
# VERSION      as "git describe" says it
# SOURCE_DATE_EPOCH  seconds since 1970 that all files get; the commit's
# ARCHES       amd64 arm64
# FORMATS      deb rpm
# DIST         dist
# PKG_SIGN_KEY file with a secret PGP key; the packages and the checksums are
#              signed with it. Its passphrase is in NFPM_PASSPHRASE.
set -eu

cd "$(dirname "$0")/.."
: "${GO:=go}" "${NFPM:?}" "${LDFLAGS:?}" "${VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
: "${ARCHES:=amd64 arm64}" "${FORMATS:=deb rpm}" "${DIST:=dist}" "${PKG_SIGN_KEY:=}"
export SOURCE_DATE_EPOCH PKG_SIGN_KEY
umask 022
export LC_ALL=C TZ=UTC

mkdir -p "$DIST"
DIST=$(cd "$DIST" && pwd)
work=$DIST/work
rm -rf "$work"
mkdir -p "$work"
date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)

# package_version turns "v1.2.3-4-gabc" into 1.2.3+4.gabc and a mere commit
# into 0.0.0~git..., which is less than any release.
package_version() {
	case $1 in
	v[0-9]* | [0-9]*.[0-9]*) echo "${1#v}" | sed 's/-rc/~rc/; s/-/+/; s/-/./g' ;;
	*) echo "0.0.0~git$date.$(echo "$1" | tr -c 'a-zA-Z0-9\n' .)" ;;
	esac
}
PKG_VERSION=$(package_version "$VERSION")
export PKG_VERSION

# programs lists "package directory" "path in the packages" of all programs.
# Every command goes to /usr/bin, every plugin of ours to the plugins' directory.
programs() {
	for main in cmd/*/ plugins/builtin/*/; do
		[ -e "$main" ] || continue
		[ "$($GO list -f '{{.Name}}' "./$main" 2>/dev/null)" = main ] || continue
		name=$(basename "$main")
		case $main in
		cmd/*) echo "./$main usr/bin/$name" ;;
		*) echo "./$main usr/libexec/pgregent/plugins/$name" ;;
		esac
	done
}

# put FILE DESTINATION [MODE] copies one file into the tree.
put() { install -D -m "${3:-0644}" "$1" "$stage/$2"; }

# pack FILE compresses it as Debian wants it, without name and time.
pack() { gzip -9n "$stage/$1"; }

compile() { # ARCH
	programs | while read -r package path; do
		CGO_ENABLED=0 GOOS=linux GOARCH=$1 $GO build -trimpath -buildvcs=false -ldflags "$LDFLAGS" -o "$work/bin-$1/$path" "$package"
	done
}

# helpers writes completions and manual pages by the programs themselves, so
# for this machine's architecture; they are the same for all.
helpers() {
	for program in "$work/bin-$host"/usr/bin/*; do
		name=$(basename "$program")
		mkdir -p "$work/share/bash-completion/completions" "$work/share/zsh/any" "$work/share/fish/vendor_completions.d"
		"$program" completion bash >"$work/share/bash-completion/completions/$name"
		"$program" completion zsh >"$work/share/zsh/any/_$name"
		"$program" completion fish >"$work/share/fish/vendor_completions.d/$name.fish"
	done
	# Those written by hand, and those that pgregentctl writes of itself.
	mkdir -p "$work/man"
	cp packaging/man/*.[1-8] "$work/man"
	"$work/bin-$host/usr/bin/pgregentctl" man "$work/man"
}

inventory() { # COMMAND FLAGS... > FILE
	# shellcheck disable=SC2046 # paths without spaces: they are ours
	"$work/inventory" "$@" -modcache "$($GO env GOMODCACHE)" -goroot "$($GO env GOROOT)" $(find "$work"/bin-"$arch" -type f | sort)
}

documents() {
	doc=usr/share/doc/pgregent
	put packaging/copyright "$doc/copyright"
	put README.md "$doc/README.md"
	put SECURITY.md "$doc/SECURITY.md"
	put LICENSE "$doc/LICENSE"
	put packaging/README.md "$doc/packaging.md"
	put rest/README.md "$doc/rest.md"
	put zkdcs/README.md "$doc/zookeeper.md"
	put CHANGELOG.md "$doc/changelog" && pack "$doc/changelog"
	printf 'pgregent (%s-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- pgregent maintainers <maintainers@pgregent.invalid>  %s\n' \
		"$PKG_VERSION" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$stage/$doc/changelog.Debian" && pack "$doc/changelog.Debian"
	inventory licences >"$stage/$doc/LICENCES" && pack "$doc/LICENCES"
	inventory sbom -version "$PKG_VERSION" -time "$SOURCE_DATE_EPOCH" >"$stage/$doc/pgregent.cdx.json"
	cp "$stage/$doc/pgregent.cdx.json" "$DIST/pgregent_${PKG_VERSION}_$arch.cdx.json"
}

# shared lays out what other programs read: templates, dashboards, policies.
shared() {
	for dir in haproxy f5 apparmor selinux; do
		[ -d "packaging/$dir" ] && mkdir -p "$stage/usr/share/pgregent/$dir" && cp -R "packaging/$dir/." "$stage/usr/share/pgregent/$dir"
	done
	for dir in dashboards alerts; do
		[ -d "observability/$dir" ] && mkdir -p "$stage/usr/share/pgregent/$dir" && cp -R "observability/$dir/." "$stage/usr/share/pgregent/$dir"
	done
	find "$stage/usr/share/pgregent" -name '*.go' -delete
	put packaging/host/60-pgregent-watchdog.rules usr/share/pgregent/watchdog/60-pgregent-watchdog.rules
	put packaging/host/modules-load-watchdog.conf usr/share/pgregent/watchdog/modules-load.conf
	[ ! -d "$work/share" ] || cp -R "$work/share/." "$stage/usr/share"
	for page in "$work"/man/*; do
		put "$page" "usr/share/man/man${page##*.}/$(basename "$page")"
		pack "usr/share/man/man${page##*.}/$(basename "$page")"
	done
}

lay_out() {
	stage=$work/stage-$arch
	mkdir -p "$stage"
	cp -R "$work/bin-$arch/." "$stage"
	documents
	shared
	find "$stage" -type d -exec chmod 0755 {} +
	find "$stage" -type f ! -path '*/bin/*' ! -path '*/libexec/*' -exec chmod 0644 {} +
	find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# place_zsh moves zsh's completions to where the family of distributions looks.
place_zsh() {
	zsh=$stage/usr/share/zsh
	mv "$zsh"/* "$work/zsh"
	if [ "$format" = rpm ]; then mv "$work/zsh" "$zsh/site-functions"; else mv "$work/zsh" "$zsh/vendor-completions"; fi
	touch -d "@$SOURCE_DATE_EPOCH" "$zsh" "$zsh"/*
}

# sign FILE writes FILE.asc, with a key ring for this one use.
sign() {
	home=$(mktemp -d)
	gpg --homedir "$home" --batch --quiet --pinentry-mode loopback --passphrase "${NFPM_PASSPHRASE-}" --import "$PKG_SIGN_KEY"
	gpg --homedir "$home" --batch --yes --pinentry-mode loopback --passphrase "${NFPM_PASSPHRASE-}" --armor --detach-sign "$1"
	gpgconf --homedir "$home" --kill gpg-agent || :
	rm -rf "$home"
}

$GO build -o "$work/inventory" ./packaging/inventory
host=$($GO env GOHOSTARCH)
for arch in $ARCHES; do
	compile "$arch"
done
[ -d "$work/bin-$host" ] || compile "$host"
helpers
for arch in $ARCHES; do
	lay_out
	for format in $FORMATS; do
		place_zsh
		(cd packaging && STAGE=$stage PKG_ARCH=$arch $NFPM package --packager "$format" --target "$DIST/")
	done
done
rm -rf "$work"

cd "$DIST"
# shellcheck disable=SC2035 # names of ours, without a leading dash
sha256sum *.deb *.rpm *.cdx.json 2>/dev/null >SHA256SUMS || [ -s SHA256SUMS ]
if [ -n "$PKG_SIGN_KEY" ]; then
	sign SHA256SUMS
fi
