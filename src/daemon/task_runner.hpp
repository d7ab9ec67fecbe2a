// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.hpp"
#include "compute/provider_event.hpp"
#include "daemon/agent_base.hpp"
#include "daemon/compiled_modules.hpp"

namespace millrace::daemon {

/// What came of one RunTask: either the fields of TaskFinished, or why there is no result.
struct TaskReport {
    std::optional<compute::provider::TaskFinished> finished;
    types::LeaseRefusal kind = types::LeaseRefusal::failed;
    std::string why;
};

/// Runs leased tasks, each in a sandboxed process of its own (src/sandbox), and stores what they
/// produced, sealed with the job's key. A task runs as machine code where its module has some by
/// then, and starts anew as such when it is made while the task is interpreted; when machine code
/// fails, the task runs again in the interpreter. All within the same deadline.
class TaskRunner {
  public:
    TaskRunner(AgentBase& base, CompiledModules::Options compiled);
    ~TaskRunner();

    using Progress = std::function<void(Fuel)>;
    using Done = std::function<void(TaskReport)>;
    /// `done` is called once, on a later turn; not after kill().
    void run(const compute::provider::RunTask& request, Progress progress, Done done);
    void kill(const Hash32& lease);
    void kill_all();
    [[nodiscard]] const CompiledModules& compiled() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace millrace::daemon
