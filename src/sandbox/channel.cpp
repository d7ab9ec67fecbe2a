// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "sandbox/channel.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace millrace::sandbox {

Failure system_failure(std::string what) {
    return {std::move(what), std::strerror(errno),
            "check this machine's limits of processes and "
            "open files"};
}

namespace {

/// In a process that closed its standard descriptors the ends could lie where the worker's go.
Outcome<Pipe> away_from_standard(const std::array<int, 2>& ends) {
    Pipe made{Fd{ends[0]}, Fd{ends[1]}};
    for (Fd* end : {&made.read, &made.write}) {
        if (end->get() > 2) continue;
        Fd moved{fcntl(end->get(), F_DUPFD_CLOEXEC, 3)};
        if (moved.get() < 0) return Err{system_failure("cannot move a pipe")};
        *end = std::move(moved);
    }
    return made;
}

}  // namespace

Outcome<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return Err{system_failure("cannot make a pipe")};
    return away_from_standard(ends);
}

Outcome<Pipe> make_one_way_socket() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return Err{system_failure("cannot make a socket")};
    MILLRACE_TRY(Pipe made, away_from_standard(ends));
    (void)shutdown(made.read.get(), SHUT_WR);
    constexpr int room = 1 << 20;
    (void)setsockopt(made.write.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return made;
}

ssize_t send_with(int socket, ByteView bytes, int descriptor) {
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (descriptor >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace millrace::sandbox
