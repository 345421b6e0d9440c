# libbitnet.so from all layers up to the engine. Only bn_* leaves it (version script); installed with headers,
# pkg-config and CMake package files.
get_property(layers GLOBAL PROPERTY BITNET_LAYERS)
set(objects "")
foreach(layer IN LISTS layers)
  list(APPEND objects -Wl,--whole-archive $<TARGET_FILE:${layer}> -Wl,--no-whole-archive)
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/empty.c "typedef int libbitnet_is_made_of_static_layers;\n")
add_library(bitnet SHARED ${CMAKE_BINARY_DIR}/empty.c)
add_dependencies(bitnet ${layers})
target_link_libraries(bitnet PRIVATE ${objects} PkgConfig::JANSSON PkgConfig::UTF8PROC PkgConfig::PCRE2
  Threads::Threads m)
target_link_options(bitnet PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/libbitnet.map)
set_target_properties(bitnet PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
  LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/libbitnet.map)
target_include_directories(bitnet PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS bitnet EXPORT bitnet-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/bitnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES assets/demo/demo.gguf DESTINATION ${CMAKE_INSTALL_DATADIR}/bitnet)
install(EXPORT bitnet-targets NAMESPACE bitnet:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bitnet)
include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/bitnet-config.cmake.in ${CMAKE_BINARY_DIR}/bitnet-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bitnet)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/bitnet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/bitnet-config.cmake ${CMAKE_BINARY_DIR}/bitnet-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bitnet)
configure_file(cmake/bitnet.pc.in ${CMAKE_BINARY_DIR}/bitnet.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/bitnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
