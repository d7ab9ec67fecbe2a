// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <string_view>

/// Small WASI programs for tests, assembled from the text beside each with wat2wasm.
namespace millrace::wasi::samples {

// (module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))
inline constexpr std::string_view endless_loop =
    "0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f73746172740000"
    "0a0901070003400c000b0b";

// (module (memory (export "memory") 1) (func (export "_start") (loop (if (i32.eq (memory.grow
// (i32.const 16)) (i32.const -1)) (then unreachable)) (br 0))))
inline constexpr std::string_view memory_bomb =
    "0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f73746172740000"
    "0a14011200034041104000417f460440000b0c000b0b";

// (module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result
// i32))) (memory (export "memory") 2) (func (export "_start") (i32.store (i32.const 0)
// (i32.const 64)) (i32.store (i32.const 4) (i32.const 65536)) (loop (drop (call $w (i32.const 1)
// (i32.const 0) (i32.const 1) (i32.const 32))) (br 0))))
inline constexpr std::string_view output_bomb =
    "0061736d01000000010c0260047f7f7f7f017f60000002230116776173695f736e617073686f745f70726576"
    "696577310866645f77726974650000030201010503010002071302066d656d6f72790200065f737461727400"
    "010a25012300410041c0003602004104418080043602000340410141004101412010001a0c000b0b";

// (module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result
// i32))) (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32)
// (result i32))) (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32
// i32) (result i32))) (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
// (memory (export "memory") 1) (func (export "_start") (drop (call $random (i32.const 64)
// (i32.const 48))) (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 112))) (drop (call
// $clock (i32.const 1) (i64.const 0) (i32.const 120))) (i32.store (i32.const 0) (i32.const 64))
// (i32.store (i32.const 4) (i32.const 64)) (drop (call $write (i32.const 1) (i32.const 0)
// (i32.const 1) (i32.const 32))) (call $exit (i32.const 7))))
inline constexpr std::string_view randomness_and_time =
    "0061736d01000000011d0560027f7f017f60037f7e7f017f60047f7f7f7f017f60017f006000000292010416"
    "776173695f736e617073686f745f70726576696577310a72616e646f6d5f676574000016776173695f736e61"
    "7073686f745f70726576696577310e636c6f636b5f74696d655f676574000116776173695f736e617073686f"
    "745f70726576696577310866645f7772697465000216776173695f736e617073686f745f7072657669657731"
    "0970726f635f657869740003030201040503010001071302066d656d6f72790200065f737461727400040a3f"
    "013d0041c000413010001a4100420041f00010011a4101420041f80010011a410041c000360200410441c000"
    "360200410141004101412010021a410710030b";

// (module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32)
// (result i32))) (memory (export "memory") 1) (data (i32.const 8) "before") (func (export
// "_start") (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 6))
// (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))) (unreachable)))
inline constexpr std::string_view prints_and_traps =
    "0061736d01000000010c0260047f7f7f7f017f60000002230116776173695f736e617073686f745f70726576"
    "696577310866645f77726974650000030201010503010001071302066d656d6f72790200065f737461727400"
    "010a1e011c004100410836020041044106360200410141004101412010001a000b0b0c010041080b06626566"
    "6f7265";

// (module (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32
// i64 i64 i32 i32) (result i32))) (import "wasi_snapshot_preview1" "fd_write" (func $write
// (param i32 i32 i32 i32) (result i32))) (import "wasi_snapshot_preview1" "path_unlink_file"
// (func $unlink (param i32 i32 i32) (result i32))) (memory (export "memory") 1) (data (i32.const
// 8) "outin") (func (export "_start") (drop (call $open (i32.const 3) (i32.const 0) (i32.const
// 8) (i32.const 3) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 40)))
// (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 5)) (drop (call
// $write (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 32))) (drop (call
// $unlink (i32.const 3) (i32.const 11) (i32.const 2)))))
inline constexpr std::string_view writes_and_deletes =
    "0061736d0100000001200460097f7f7f7f7f7e7e7f7f017f60047f7f7f7f017f60037f7f7f017f6000000270"
    "0316776173695f736e617073686f745f707265766965773109706174685f6f70656e000016776173695f736e"
    "617073686f745f70726576696577310866645f7772697465000116776173695f736e617073686f745f707265"
    "766965773110706174685f756e6c696e6b5f66696c650002030201030503010001071302066d656d6f727902"
    "00065f737461727400030a3f013d004103410041084103410142c00042004100412810001a41004108360200"
    "41044105360200412828020041004101412010011a4103410b410210021a0b0b0b010041080b056f7574696e";

// (module (import "env" "foo" (func (param i32))) (memory (export "memory") 1) (func (export
// "_start")))
inline constexpr std::string_view imports_unknown =
    "0061736d0100000001080260017f00600000020b0103656e7603666f6f000003020101050301000107130206"
    "6d656d6f72790200065f737461727400010a040102000b";

}  // namespace millrace::wasi::samples
