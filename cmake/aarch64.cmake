# Cross-compiling for 64-bit ARM on Debian: gcc-aarch64-linux-gnu, the :arm64 development packages, qemu-user to run.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
# Programs run with the :arm64 libraries of the system. The cross compiler's own copies (-L /usr/aarch64-linux-gnu) don't
# do: threads hang under qemu 7.2 with them.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
# gcc 12 for ARM crashes while vectorising fmax reductions; the kernels are intrinsics and don't need it.
set(CMAKE_C_FLAGS_RELEASE "-O2 -fno-tree-vectorize -DNDEBUG" CACHE STRING "")
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
