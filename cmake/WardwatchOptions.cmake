# Build options, compiler flags, caches and linkers. Third-party headers are SYSTEM, so only our code
# answers to the warnings.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

option(WARDWATCH_TESTS "build tests" ON)
option(WARDWATCH_BENCH "build benchmarks" ON)
option(WARDWATCH_FUZZ "build libFuzzer targets (clang only)" OFF)
option(WARDWATCH_MIMALLOC "programs use mimalloc in place of the C library's allocator" ON)
option(WARDWATCH_LTO "link-time optimisation of the components that touch every packet, line and event (gcc, Release)" ON)
option(WARDWATCH_COVERAGE "instrument for coverage" OFF)
set(WARDWATCH_SANITIZE "" CACHE STRING "comma separated: address,undefined | thread")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# x86-64-v2 (SSE4.2) runs on every server since 2009; Vectorscan and simdjson pick wider code at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

add_library(ww_flags INTERFACE)
target_include_directories(ww_flags INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
target_compile_options(ww_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror
  -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports these inside its own libstdc++ at -O2 (GCC PR 105329, 105562, 107852): noise, not finds.
  target_compile_options(ww_flags INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread
    -Wno-array-bounds -Wno-maybe-uninitialized -Wno-mismatched-new-delete -Wno-free-nonheap-object)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's own std::stable_sort calls get_temporary_buffer, which it marks deprecated.
  target_compile_options(ww_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_compile_definitions(ww_flags INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  SPDLOG_FMT_EXTERNAL)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT WARDWATCH_SANITIZE)
  target_compile_definitions(ww_flags INTERFACE _FORTIFY_SOURCE=2)
endif()

if(WARDWATCH_SANITIZE)
  string(REPLACE "," ";" _sanitizers "${WARDWATCH_SANITIZE}")
  foreach(s IN LISTS _sanitizers)
    add_compile_options(-fsanitize=${s})
    add_link_options(-fsanitize=${s})
  endforeach()
  add_compile_options(-fno-sanitize-recover=all)
endif()
if(WARDWATCH_FUZZ)
  # Coverage feedback for libFuzzer in every object; the sanitizers come from WARDWATCH_SANITIZE.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(WARDWATCH_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

# The hot components only (HOT in ww_component), with machine code beside the intermediate one: programs and benchmarks link with
# it, the many test programs without, which keeps the build short.
if(WARDWATCH_LTO AND NOT (CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND
                          NOT WARDWATCH_SANITIZE AND NOT WARDWATCH_COVERAGE))
  set(WARDWATCH_LTO OFF)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}"
      CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()
find_program(MOLD_PROGRAM mold)
find_program(LLD_PROGRAM NAMES ld.lld ld.lld-19)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
elseif(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()
