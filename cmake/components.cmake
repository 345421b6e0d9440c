# Components above the library that bring heavier libraries. Each can be left out (-DBITNET_HUB=OFF): its layers, its
# commands (src/cli/FOLDER) and its tests (tests/FOLDER) are then absent, and the rest is as before.
option(BITNET_HUB "models from hubs, the registry, backups (libcurl, OpenSSL, SQLite, libarchive, zstd, libsodium, libyaml)" ON)
option(BITNET_SERVER "bitnet serve (libevent, nghttp2, wslay, OpenSSL)" ON)

set(BITNET_COMPONENTS "")
set(BITNET_COMPONENT_LAYERS "") # what the program and the tests link beside the library
if(BITNET_HUB)
  list(APPEND BITNET_COMPONENTS hub)
  pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
  pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
  pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
  pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive)
  pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
  pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
  pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
  add_layer(net LINK layer_base PkgConfig::CURL)
  add_layer(hub LINK layer_net PkgConfig::CRYPTO PkgConfig::YAML)
  add_layer(registry LINK layer_engine PkgConfig::SQLITE PkgConfig::CRYPTO PkgConfig::ARCHIVE PkgConfig::ZSTD)
  add_layer(backup LINK layer_registry layer_net PkgConfig::SODIUM)
  list(APPEND BITNET_COMPONENT_LAYERS layer_hub layer_backup)
endif()
if(BITNET_SERVER)
  list(APPEND BITNET_COMPONENTS server)
  pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent libevent_openssl libevent_pthreads)
  pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
  find_library(WSLAY_LIBRARY wslay REQUIRED) # its package has no .pc file
  find_path(WSLAY_INCLUDE wslay/wslay.h REQUIRED)
  pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
  pkg_check_modules(SERVER_CODINGS REQUIRED IMPORTED_TARGET zlib libzstd)
  add_layer(server LINK layer_engine PkgConfig::EVENT PkgConfig::NGHTTP2 PkgConfig::OPENSSL PkgConfig::SERVER_CODINGS
    ${WSLAY_LIBRARY})
  list(APPEND BITNET_COMPONENT_LAYERS layer_server)
endif()
