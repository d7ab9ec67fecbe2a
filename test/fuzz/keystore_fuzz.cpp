// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

// Hostile keystore files, with limits low enough to try many.

#include "base/assert.hpp"
#include "crypto/keystore.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    const std::string_view text = as_text({data, size});
    const auto key =
        crypto::decrypt_keystore(text, "password", {.memory_max = 65536, .rounds_max = 64});
    if (!key) return 0;
    const auto again = crypto::decrypt_keystore(
        crypto::encrypt_keystore(*key, "password", {.n = 2, .r = 1, .p = 1}, {}), "password");
    MILLRACE_ASSERT(again.has_value());
    MILLRACE_ASSERT(crypto::address_of(*again) == crypto::address_of(*key));
    return 0;
}
