# millrace_library(AREA SOURCES ... [TESTS ...] [PACKAGES ...] [TEST_PACKAGES ...])
#   makes libmillrace_<area> linked to the areas that tools/layers.txt allows, and
#   millrace_<area>_test from TESTS.
# millrace_program(NAME AREA SOURCES ... [OUTPUT_DIR bin|libexec] [PACKAGES ...])

file(STRINGS "${CMAKE_SOURCE_DIR}/tools/layers.txt" MILLRACE_LAYER_LINES REGEX "^[a-z]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/layers.txt")
foreach(line IN LISTS MILLRACE_LAYER_LINES)
    string(REGEX MATCH "^([a-z]+) +([0-9]) *:(.*)$" _ "${line}")
    set(_area ${CMAKE_MATCH_1})
    set(MILLRACE_FLOOR_${_area} ${CMAKE_MATCH_2})
    string(REGEX MATCHALL "[a-z]+" MILLRACE_DEPENDS_${_area} "${CMAKE_MATCH_3}")
endforeach()

add_library(millrace_options INTERFACE)
target_include_directories(millrace_options INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_features(millrace_options INTERFACE cxx_std_20)
target_compile_definitions(millrace_options INTERFACE _GLIBCXX_ASSERTIONS)
target_compile_options(millrace_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wpedantic -Werror
    -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports both falsely on variants and on inlined vectors (docs/decisions/0001-skeleton.md).
    target_compile_options(millrace_options INTERFACE -Wno-error=maybe-uninitialized
        -Wno-error=stringop-overflow -Wno-error=array-bounds -Wno-error=restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # libstdc++ 12's own std::stable_sort uses what it calls deprecated.
    target_compile_options(millrace_options INTERFACE -Wno-error=deprecated-declarations)
endif()
if(MILLRACE_SANITIZE)
    target_compile_options(millrace_options INTERFACE -fsanitize=${MILLRACE_SANITIZE}
        -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(millrace_options INTERFACE -fsanitize=${MILLRACE_SANITIZE})
endif()

function(millrace_link_depends target area)
    foreach(dep IN LISTS MILLRACE_DEPENDS_${area})
        if(EXISTS "${CMAKE_SOURCE_DIR}/src/${dep}/CMakeLists.txt")
            target_link_libraries(${target} PUBLIC millrace_${dep})
        endif()
    endforeach()
endfunction()

# For a shared library, whose users must not see what it is made of.
function(millrace_link_depends_privately target area)
    foreach(dep IN LISTS MILLRACE_DEPENDS_${area})
        target_link_libraries(${target} PRIVATE millrace_${dep})
    endforeach()
endfunction()

# Seconds a test may take; a long check (./check --long) runs many more kill points and sizes.
set(MILLRACE_TEST_TIMEOUT 300)
if("$ENV{MILLRACE_LONG}" STREQUAL "1")
    set(MILLRACE_TEST_TIMEOUT 5400)
endif()

function(millrace_library area)
    cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;PACKAGES;TEST_PACKAGES" ${ARGN})
    if(NOT DEFINED MILLRACE_FLOOR_${area})
        message(FATAL_ERROR "area '${area}' is not in tools/layers.txt")
    endif()
    add_library(millrace_${area} STATIC ${ARG_SOURCES})
    target_link_libraries(millrace_${area} PUBLIC millrace_options ${ARG_PACKAGES})
    millrace_link_depends(millrace_${area} ${area})
    if(MILLRACE_FLOOR_${area} LESS_EQUAL 3)
        target_compile_options(millrace_${area} PRIVATE -fno-exceptions)
    endif()
    if(ARG_TESTS AND MILLRACE_TESTS)
        # "floor" marks what also runs under the address and undefined-behaviour sanitizers.
        set(_label "upper")
        if(MILLRACE_FLOOR_${area} LESS_EQUAL 5)
            set(_label "floor")
        endif()
        add_executable(millrace_${area}_test ${ARG_TESTS})
        target_link_libraries(millrace_${area}_test PRIVATE millrace_${area} GTest::gtest
            GTest::gmock GTest::gtest_main ${ARG_TEST_PACKAGES})
        gtest_discover_tests(millrace_${area}_test TEST_PREFIX "${area}." DISCOVERY_MODE PRE_TEST
            PROPERTIES TIMEOUT ${MILLRACE_TEST_TIMEOUT} LABELS "${_label}")
    endif()
endfunction()

function(millrace_program name area)
    cmake_parse_arguments(ARG "" "OUTPUT_DIR" "SOURCES;PACKAGES" ${ARGN})
    if(NOT ARG_OUTPUT_DIR)
        set(ARG_OUTPUT_DIR bin)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE millrace_options ${ARG_PACKAGES})
    foreach(dep IN LISTS MILLRACE_DEPENDS_${area})
        if(EXISTS "${CMAKE_SOURCE_DIR}/src/${dep}/CMakeLists.txt")
            target_link_libraries(${name} PRIVATE millrace_${dep})
        endif()
    endforeach()
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${ARG_OUTPUT_DIR}")
endfunction()

# millrace_fuzz(NAME AREA SOURCE [CORPUS dir]): a libFuzzer program in the fuzz preset; in every other
# preset the same source is linked with tools' replay main and registered as a test over its corpus.
function(millrace_fuzz name area source)
    cmake_parse_arguments(ARG "" "CORPUS" "" ${ARGN})
    if(MILLRACE_FUZZ)
        add_executable(fuzz_${name} ${source})
        target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    elseif(MILLRACE_TESTS)
        add_executable(fuzz_${name} ${source} "${CMAKE_SOURCE_DIR}/test/fuzz/replay_main.cpp")
        add_test(NAME fuzz_replay.${name}
            COMMAND fuzz_${name} "${CMAKE_SOURCE_DIR}/test/fuzz/corpus/${name}")
        set_tests_properties(fuzz_replay.${name} PROPERTIES TIMEOUT 300 LABELS floor)
    else()
        return()
    endif()
    target_link_libraries(fuzz_${name} PRIVATE millrace_${area})
    set_target_properties(fuzz_${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
endfunction()
