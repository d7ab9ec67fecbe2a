// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/blob_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>

#include "crypto/hash.hpp"
#include "io/files.hpp"

namespace millrace::store {
namespace {

constexpr std::string_view tree_magic{"MRTREE\0\1", 8};
constexpr std::size_t tree_header_size = 16;

Hash32 hash_pair(const Hash32& left, const Hash32& right) {
    std::array<std::uint8_t, 64> input;
    std::ranges::copy(left.bytes, input.begin());
    std::ranges::copy(right.bytes, input.begin() + 32);
    return crypto::sha256(input);
}

}  // namespace

std::string blob_name(const BlobId& blob) {
    return to_hex(blob.root.view()) + "-" + std::to_string(blob.size);
}

std::optional<BlobId> parse_blob_name(std::string_view name) {
    if (name.size() < 66 || name[64] != '-') return std::nullopt;
    const auto root = fixed_from_hex<Hash32>(name.substr(0, 64));
    if (!root) return std::nullopt;
    BlobId blob{.root = *root};
    const std::string_view digits = name.substr(65);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), blob.size);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return blob_name(blob) == name ? std::optional{blob} : std::nullopt;
}

void File::close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Outcome<File> File::open(const std::string& path, int flags) {
    File file{::open(path.c_str(), flags | O_CLOEXEC, 0600)};
    if (file.get() < 0) return Err{io::system_failure("cannot open the file", path, errno)};
    return file;
}

Outcome<void> File::write_at(const std::string& path, std::uint64_t offset, ByteView bytes) const {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Err{io::system_failure("cannot write the file", path, errno)};
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
    return {};
}

Outcome<std::size_t> File::read_up_to(const std::string& path, std::uint64_t offset,
                                      std::span<std::uint8_t> target) const {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const ssize_t count = ::pread(fd_, target.data() + filled, target.size() - filled,
                                      static_cast<off_t>(offset + filled));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Err{io::system_failure("cannot read the file", path, errno)};
        if (count == 0) break;
        filled += static_cast<std::size_t>(count);
    }
    return filled;
}

Outcome<void> File::read_at(const std::string& path, std::uint64_t offset,
                            std::span<std::uint8_t> target) const {
    MILLRACE_TRY(const std::size_t filled, read_up_to(path, offset, target));
    if (filled != target.size()) {
        return Err{Failure{"the file is shorter than it should be", path,
                           "it is damaged: remove it, it is fetched again when needed"}};
    }
    return {};
}

Outcome<void> File::sync(const std::string& path) const {
    if (::fsync(fd_) != 0) {
        return Err{io::system_failure("cannot make the file durable", path, errno)};
    }
    return {};
}

Outcome<BlobWriter> BlobWriter::create(const std::string& path) {
    BlobWriter writer;
    MILLRACE_TRY(writer.file_, File::open(path, O_WRONLY | O_CREAT | O_EXCL));
    writer.path_ = path;
    return writer;
}

BlobWriter::~BlobWriter() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

Outcome<void> BlobWriter::append(ByteView bytes) {
    MILLRACE_ASSERT(size_ % crypto::blob_leaf_size == 0);
    MILLRACE_TRY_VOID(file_.write_at(path_, size_, bytes));
    size_ += bytes.size();
    const std::vector<Hash32> added = crypto::blob_leaves(bytes);
    leaves_.insert(leaves_.end(), added.begin(), added.end());
    return {};
}

Outcome<void> BlobWriter::finish() {
    MILLRACE_TRY_VOID(file_.sync(path_));
    file_.close();
    return {};
}

Bytes encode_tree(std::uint64_t size, const std::vector<Hash32>& leaves) {
    MILLRACE_ASSERT(leaves.size() == leaf_count_of(size));
    Bytes result = to_bytes(as_bytes(tree_magic));
    for (unsigned shift = 0; shift < 64; shift += 8) {
        result.push_back(static_cast<std::uint8_t>(size >> shift));
    }
    std::vector<Hash32> layer = leaves;
    Hash32 padding;
    for (;;) {
        for (const Hash32& node : layer) {
            result.insert(result.end(), node.bytes.begin(), node.bytes.end());
        }
        if (layer.size() <= 1) return result;
        std::vector<Hash32> above;
        for (std::size_t index = 0; index < layer.size(); index += 2) {
            above.push_back(
                hash_pair(layer[index], index + 1 < layer.size() ? layer[index + 1] : padding));
        }
        padding = hash_pair(padding, padding);
        layer = std::move(above);
    }
}

Outcome<std::vector<Hash32>> read_proof(const std::string& tree_path, std::uint64_t size,
                                        std::uint64_t leaf_first, std::uint64_t leaf_count) {
    MILLRACE_ASSERT(std::has_single_bit(leaf_count));
    MILLRACE_ASSERT(leaf_first % leaf_count == 0);
    MILLRACE_TRY(const File file, File::open(tree_path, O_RDONLY));
    std::vector<Hash32> proof;
    std::uint64_t layer_begin = tree_header_size;
    std::uint64_t layer_size = leaf_count_of(size);
    std::uint64_t position = leaf_first;
    Hash32 padding;
    for (std::uint64_t span = 1; layer_size > 1; span *= 2) {
        if (span >= leaf_count) {
            const std::uint64_t sibling = position ^ 1;
            Hash32 node = padding;
            if (sibling < layer_size) {
                MILLRACE_TRY_VOID(
                    file.read_at(tree_path, layer_begin + sibling * Hash32::size, node.bytes));
            }
            proof.push_back(node);
        }
        layer_begin += layer_size * Hash32::size;
        layer_size = (layer_size + 1) / 2;
        position /= 2;
        padding = hash_pair(padding, padding);
    }
    return proof;
}

}  // namespace millrace::store
