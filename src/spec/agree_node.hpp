// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <cstdio>
#include <string>

#include "spec/agree_run.hpp"

/// Another engine's opinion: V8's, in a process of node that is given module after module.
namespace millrace::spec {

class NodeService {
  public:
    NodeService();
    ~NodeService();
    NodeService(const NodeService&) = delete;
    NodeService& operator=(const NodeService&) = delete;

    /// Runs a portable sample in node and in the interpreter: results, the kind of trap, and the
    /// memory's hash. Empty when they agree. Runs that fuel or the depth of calls ends are left
    /// out: those limits are ours.
    std::string compare(const AgreeSample& sample, const AgreePair& pair, AgreeCounts& counts);

  private:
    bool ask(const Bytes& question, std::string& answer);

    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
    int pid_ = -1;
};

}  // namespace millrace::spec
