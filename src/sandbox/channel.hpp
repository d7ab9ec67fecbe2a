// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/failure.hpp"

/// What a parent and its worker are connected by. For src/sandbox only.
namespace millrace::sandbox {

/// A descriptor of ours, closed at the end.
class Fd {
  public:
    explicit Fd(int number = -1) noexcept : number_{number} {}
    Fd(Fd&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Fd() { reset(); }
    [[nodiscard]] int get() const noexcept { return number_; }
    void reset() noexcept {
        if (number_ >= 0) ::close(std::exchange(number_, -1));
    }

  private:
    int number_;
};

/// `what`, and what errno says.
Failure system_failure(std::string what);

/// Neither end lies where standard descriptors do; both are closed by exec.
struct Pipe {
    Fd read;
    Fd write;
};
Outcome<Pipe> make_pipe();
/// A pipe that can carry a descriptor: a socket, of which one end only reads and one only writes.
Outcome<Pipe> make_one_way_socket();

/// As write() to such a socket, without the signal of a peer that is gone; with `descriptor`,
/// unless that is negative.
ssize_t send_with(int socket, ByteView bytes, int descriptor);

}  // namespace millrace::sandbox
