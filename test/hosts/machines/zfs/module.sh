# Makes the modules of ZFS. Most of the time goes into finding out what the kernel has, three times as long as making them:
# the answers for the kernel and the OpenZFS of Debian 12 stand in zfs_config.h, and are found out anew when they do not fit.

# make_modules SOURCE HEADERS COMMON INTO
make_modules() {
  local source=$1 headers=$2 common=$3 into=$4
  # It names the other by the place where Debian installs it.
  sed -i "s|include /usr/src/|include $(dirname "$headers")/|" "$headers/Makefile"
  compile_by_known_answers "$source" "$headers" || compile_by_found_answers "$source" "$headers" "$common"
  mkdir -p "$into"
  cp "$source"/module/*/*.ko "$into/"
}

# Without debugging information, which takes a third of the time.
kernel_make() { make -s -j2 -C "$2" M="$1/module" CONFIG_ZFS=m CONFIG_DEBUG_INFO= CONFIG_DEBUG_INFO_BTF= CONFIG_DEBUG_INFO_BTF_MODULES= modules; }

compile_by_known_answers() {
  local source=$1 headers=$2 version file folder
  version=$(awk '$1 == "Version:" { print $2 }' "$source/META")
  grep -q "OpenZFS $version, Linux ${kernel%%.0-*}:" "$here/zfs_config.h" || return 1
  cp "$here/zfs_config.h" "$source/zfs_config.h"
  find "$source/module" -name '*.in' | while read -r file; do
    folder=$(dirname "$file")
    sed -e "s|@abs_top_srcdir@|$source|g; s|@abs_top_builddir@|$source|g; s|@abs_srcdir@|$folder|g; s|@abs_builddir@|$folder|g" \
      -e 's|@NO_FORMAT_ZERO_LENGTH@|-Wno-format-zero-length|; s|@KERNEL_DEBUG_CFLAGS@||; s|@KERNEL_DEBUG_CPPFLAGS@|-UDEBUG -DNDEBUG|' \
      -e 's|@CONFIG_QAT_TRUE@|#|' "$file" > "${file%.in}"
  done
  kernel_make "$source" "$headers"
}

compile_by_found_answers() {
  local source=$1 headers=$2 common=$3
  step "the module of ZFS, from the start"
  (cd "$source" && ./configure -q --disable-dependency-tracking --with-config=kernel --with-linux="$common" --with-linux-obj="$headers")
  kernel_make "$source" "$headers"
}
