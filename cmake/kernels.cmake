# Files per instruction set, each compiled for its own: src/kernels/x86/*avx2*.c, *avx512*.c, src/kernels/arm/*neon*.c.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  file(GLOB avx2 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/x86/*avx2*.c)
  file(GLOB avx512 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/x86/*avx512*.c)
  set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
  set_source_files_properties(${avx512} PROPERTIES COMPILE_OPTIONS
    "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni")
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/kernels/x86/avx512vbmi_ternary.c APPEND PROPERTY COMPILE_OPTIONS
    -mavx512vbmi)
  target_sources(layer_kernels PRIVATE ${avx2} ${avx512})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  file(GLOB neon CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/kernels/arm/*neon*.c)
  set_source_files_properties(${neon} PROPERTIES COMPILE_OPTIONS "-march=armv8.2-a+dotprod")
  target_sources(layer_kernels PRIVATE ${neon})
endif()
