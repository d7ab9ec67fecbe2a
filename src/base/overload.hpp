// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

namespace millrace {

/// For std::visit: `std::visit(Overload{[](const A&) {}, [](const B&) {}}, variant)`.
template <typename... Callables>
struct Overload : Callables... {
    using Callables::operator()...;
};
template <typename... Callables>
Overload(Callables...) -> Overload<Callables...>;

}  // namespace millrace
