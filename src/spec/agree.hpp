// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

/// Modules made at random, in the interpreter and as compiled code, and on a sample in node.
namespace millrace::spec {

/// `millrace-spec wasm-agree [options]`; usage in agree.cpp. 0 when all agree.
int run_agreement(int argc, char** argv);

}  // namespace millrace::spec
