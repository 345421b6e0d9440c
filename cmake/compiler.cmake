# Warnings, and the flags that make float results the same everywhere: no contraction (fused multiply-adds are written
# out where they are meant), no reassociation (gcc 12 reorders exact-order reductions without this), no fast-math.
add_library(compile_options INTERFACE)
target_compile_options(compile_options INTERFACE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wvla -Wsign-compare -Wformat-security -ffp-contract=off -fno-fast-math -fvisibility=hidden)
target_compile_definitions(compile_options INTERFACE _GNU_SOURCE BITNET_VERSION="${PROJECT_VERSION}")
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(compile_options INTERFACE -fno-tree-reassoc)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(compile_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
endif()
if(BITNET_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(BITNET_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
if(BITNET_SANITIZE AND NOT BITNET_FUZZ)
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1") # half the time to build; reports need lines, not variables
  include(CheckLinkerFlag)
  check_linker_flag(C -fuse-ld=gold BITNET_GOLD) # a hundred programs with everything in each: half the time to link
  if(BITNET_GOLD)
    add_link_options(-fuse-ld=gold)
  endif()
endif()
if(BITNET_SANITIZE OR BITNET_FUZZ)
  add_compile_definitions(BITNET_SANITIZED) # see kernels/unroll.h
endif()
if(BITNET_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
