# SPDX-License-Identifier: Apache-2.0
# Flags, libraries and the functions that the folders use:
#   ub_library(name SOURCES… LIBS…)    a static library, position independent
#   ub_module(name SOURCES… LIBS…)     build/modules/<name>.so and the static twin <name>-static
#   ub_link_modules(program [names…])  the modules linked into a program
#   ub_unit_test(name SOURCES… LIBS…)  a cmocka program, registered with CTest

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fvisibility=hidden -fno-common -Wall -Wextra -Wconversion -Wshadow
  -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Wvla
  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>) # messages are cut to their buffers on purpose
if(UNIBUS_WERROR)
  add_compile_options(-Werror)
endif()
# The sanitizers intercept crypt_r and look it up when the program starts: a libcrypt that comes with a module later on
# would be called at address 0. Hence programs of these builds have it from the start.
set(with_crypt "$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:LINKER:--push-state,--no-as-needed,-lcrypt,--pop-state>")
if(UNIBUS_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined ${with_crypt})
elseif(UNIBUS_TSAN)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread ${with_crypt})
else()
  add_compile_options(-fstack-protector-strong $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
if(UNIBUS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core libevent_pthreads)
pkg_check_modules(EVENT_HTTP REQUIRED IMPORTED_TARGET libevent_extra)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(LUA REQUIRED IMPORTED_TARGET lua5.4)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(NATS REQUIRED IMPORTED_TARGET libnats)
if(UNIBUS_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

# The public module ABI as a target, so that a wrong include does not compile.
add_library(unibus-abi INTERFACE)
target_include_directories(unibus-abi INTERFACE ${CMAKE_SOURCE_DIR}/include)
add_library(Unibus::module ALIAS unibus-abi) # the name under which authors of modules have it

function(ub_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LIBS} Threads::Threads)
endfunction()

function(ub_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE unibus-abi ${ARG_LIBS} Threads::Threads)
  # The static libraries in it stay hidden: a module shows exactly one symbol.
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(${name} PROPERTIES PREFIX ""
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/modules)

  set_property(GLOBAL APPEND PROPERTY UB_MODULES ${name})
  string(REPLACE "-" "_" c_name ${name})
  add_library(${name}-static STATIC EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_compile_definitions(${name}-static PRIVATE UB_STATIC_MODULE=${c_name})
  target_link_libraries(${name}-static PUBLIC unibus-abi ${ARG_LIBS} Threads::Threads)
  target_include_directories(${name}-static PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
endfunction()

# Links modules into the program, whole, so that a symbol that two of them define is an error: those that are named,
# else every one that ub_module has made.
function(ub_link_modules program)
  set(modules ${ARGN})
  if(NOT modules)
    get_property(modules GLOBAL PROPERTY UB_MODULES)
  endif()
  set(entries "")
  foreach(module ${modules})
    string(REPLACE "-" "_" c_name ${module})
    string(APPEND entries "X(${c_name}) ")
    target_link_libraries(${program} PRIVATE
      -Wl,--whole-archive $<TARGET_FILE:${module}-static> -Wl,--no-whole-archive
      $<TARGET_PROPERTY:${module}-static,INTERFACE_LINK_LIBRARIES>)
    add_dependencies(${program} ${module}-static)
  endforeach()
  target_compile_definitions(${program} PRIVATE "UNIBUS_LINKED=${entries}")
endfunction()

function(ub_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE unibus-abi ${ARG_LIBS} PkgConfig::CMOCKA Threads::Threads)
  target_compile_definitions(${name} PRIVATE
    UB_VECTORS_DIR="${CMAKE_SOURCE_DIR}/tests/vectors" UB_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    UB_BUILD_DIR="${CMAKE_BINARY_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()
