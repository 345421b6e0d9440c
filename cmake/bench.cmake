# What the bench layer has besides: the commit that is built, and a history where SQLite is.
set(commit_header ${CMAKE_BINARY_DIR}/generated/commit.h)
add_custom_target(commit_header BYPRODUCTS ${commit_header} COMMENT ""
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${commit_header} -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake)
add_dependencies(layer_bench commit_header)
target_include_directories(layer_bench PRIVATE ${CMAKE_BINARY_DIR}/generated)
pkg_check_modules(SQLITE IMPORTED_TARGET sqlite3)
if(SQLITE_FOUND)
  target_link_libraries(layer_bench PRIVATE PkgConfig::SQLITE)
  target_compile_definitions(layer_bench PRIVATE HAVE_SQLITE)
endif()
