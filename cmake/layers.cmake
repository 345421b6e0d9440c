# add_layer(NAME LINK lower layers and libraries): one static library from src/NAME. EXCLUDE: a pattern of files to leave out.
#
# Headers are included as "NAME/header.h". To make an upward include fail to compile, each layer's folder is reachable
# only through an include root of its own (build/layers/NAME/NAME → src/NAME), which is passed on to whoever links it.
function(add_layer name)
  cmake_parse_arguments(ARG "" "EXCLUDE" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "/kernels/(x86|arm)/")
  if(ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${ARG_EXCLUDE}")
  endif()
  set(root ${CMAKE_BINARY_DIR}/layers/${name})
  file(MAKE_DIRECTORY ${root})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${name} ${root}/${name} SYMBOLIC)
  add_library(layer_${name} STATIC ${sources})
  target_include_directories(layer_${name} PUBLIC ${root} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(layer_${name} PUBLIC ${ARG_LINK} PRIVATE compile_options)
  set_property(GLOBAL APPEND PROPERTY BITNET_LAYERS layer_${name})
endfunction()
