# SPDX-License-Identifier: Apache-2.0
# Completion of uvr-failover for bash: its options, and NAMESPACE/NAME a part at a
# time, since there may be very many.
_uvr_failover() {
	local root=${UVR_ROOT:-/uvr} word=$2 dir

	COMPREPLY=()
	case $3:$word in
	--timeout:* | *:*/*/*)
		return ;;
	*:-*)
		mapfile -t COMPREPLY < <(compgen -W '--dry-run --force
			--timeout --help' -- "$word")
		return ;;
	*:*/*) ;;
	*) compopt -o nospace ;;
	esac
	for dir in "$root/$word"*/; do
		[ -d "$dir" ] || continue
		dir=${dir#"$root/"}
		[[ $word = */* ]] && dir=${dir%/}
		COMPREPLY+=("$dir")
	done
}
complete -F _uvr_failover uvr-failover
