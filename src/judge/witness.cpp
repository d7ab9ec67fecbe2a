// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "judge/witness.hpp"

#include <algorithm>
#include <cstring>

#include "crypto/hash.hpp"
#include "wasm/watch.hpp"

namespace millrace::judge {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

/// Version of the format; a newer one is refused.
constexpr std::uint64_t witness_version = 1;

/// A page without the zeros at its end.
ByteView trimmed(const Page& page) noexcept {
    std::size_t size = page.size();
    while (size > 0 && page[size - 1] == 0)
        --size;
    return ByteView{page}.first(size);
}

void write_proof(RlpWriter& writer, const RegionProof& proof) {
    const auto list = writer.begin_list();
    const auto pages = writer.begin_list();
    for (const auto& [number, page] : proof.pages) {
        writer.write(std::uint64_t{number});
        writer.write(trimmed(page));
    }
    writer.end_list(pages);
    Bytes siblings;
    siblings.reserve(proof.siblings.size() * Hash32::size);
    for (const Hash32& hash : proof.siblings)
        siblings.insert(siblings.end(), hash.bytes.begin(), hash.bytes.end());
    writer.write(ByteView{siblings});
    writer.end_list(list);
}

Result<RegionProof, RlpError> read_proof(RlpReaderView& reader, unsigned depth) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    MILLRACE_TRY(RlpReaderView pages, list.read_list());
    RegionProof proof;
    while (!pages.at_end()) {
        MILLRACE_TRY(const std::uint64_t number, pages.read_u64());
        MILLRACE_TRY(const ByteView bytes, pages.read_string());
        if (number >> depth != 0) return Err{RlpError::bad_value};
        if (!proof.pages.empty() && number <= proof.pages.back().first)
            return Err{RlpError::bad_value};
        if (bytes.size() > wasm::state_page_size) return Err{RlpError::wrong_size};
        if (!bytes.empty() && bytes.back() == 0) return Err{RlpError::non_canonical};
        auto& [index, page] = proof.pages.emplace_back();
        index = static_cast<std::uint32_t>(number);
        page.fill(0);
        std::ranges::copy(bytes, page.begin());
    }
    MILLRACE_TRY(const ByteView siblings, list.read_string());
    MILLRACE_TRY_VOID(list.finish());
    if (siblings.size() % Hash32::size != 0) return Err{RlpError::wrong_size};
    for (std::size_t at = 0; at < siblings.size(); at += Hash32::size)
        proof.siblings.push_back(*Hash32::from(siblings.subspan(at, Hash32::size)));
    return proof;
}

}  // namespace

std::optional<Hash32> RegionProof::root(unsigned depth) const {
    std::vector<wasm::PageHash> hashes;
    hashes.reserve(pages.size());
    for (const auto& [number, page] : pages)
        hashes.emplace_back(number, crypto::sha256(page));
    return wasm::root_of(depth, hashes, siblings);
}

Bytes encode(const Witness& witness) {
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(witness_version);
    writer.write(witness.steps);
    write_registers(writer, witness.registers);
    const auto counts = writer.begin_list();
    for (const std::uint32_t count : witness.counts.list())
        writer.write(std::uint64_t{count});
    writer.end_list(counts);
    const auto regions = writer.begin_list();
    for (const RegionProof& proof : witness.regions)
        write_proof(writer, proof);
    writer.end_list(regions);
    const auto host = writer.begin_list();
    if (witness.host.empty()) {
        writer.write(witness.host_root);
    } else {
        writer.write(ByteView{witness.host});
        for (const ContentProof& content : witness.contents) {
            writer.write(content.key);
            write_proof(writer, content.proof);
        }
    }
    writer.end_list(host);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<Witness, RlpError> decode_witness(ByteView bytes) {
    if (bytes.size() > witness_bytes_max) return Err{RlpError::wrong_size};
    RlpReaderView whole{bytes};
    MILLRACE_TRY(RlpReaderView list, whole.read_list());
    MILLRACE_TRY_VOID(whole.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != witness_version) return Err{RlpError::bad_value};
    Witness witness;
    MILLRACE_TRY(witness.steps, list.read_u64());
    if (witness.steps == 0 || witness.steps > witness_steps_max) return Err{RlpError::bad_value};
    MILLRACE_TRY(witness.registers, read_registers(list));
    MILLRACE_TRY(RlpReaderView counts, list.read_list());
    std::array<std::uint32_t, wasm::ProgramCounts::fields> numbers{};
    for (std::uint32_t& number : numbers) {
        MILLRACE_TRY(const std::uint64_t count, counts.read_u64());
        if (count >> 32U != 0) return Err{RlpError::bad_value};
        number = static_cast<std::uint32_t>(count);
    }
    MILLRACE_TRY_VOID(counts.finish());
    const auto known = wasm::ProgramCounts::from(numbers);
    if (!known || known->tables != witness.registers.tables.size()) return Err{RlpError::bad_value};
    witness.counts = *known;
    MILLRACE_TRY(RlpReaderView regions, list.read_list());
    for (std::size_t index = 0; index < wasm::fixed_regions + known->tables; ++index) {
        const auto depth = wasm::depth_of(static_cast<Region>(index));
        MILLRACE_TRY(RegionProof proof, read_proof(regions, depth));
        witness.regions.push_back(std::move(proof));
    }
    MILLRACE_TRY_VOID(regions.finish());
    MILLRACE_TRY(RlpReaderView host, list.read_list());
    MILLRACE_TRY_VOID(list.finish());
    MILLRACE_TRY(witness.host, host.read_bytes(witness_bytes_max));
    if (witness.host.size() == Hash32::size) {
        // No state of a host is that short.
        witness.host_root = *Hash32::from(witness.host);
        witness.host.clear();
        MILLRACE_TRY_VOID(host.finish());
        return witness;
    }
    if (witness.host.empty()) return Err{RlpError::wrong_size};
    witness.host_root = crypto::sha256(witness.host);
    while (!host.at_end()) {
        ContentProof content;
        MILLRACE_TRY(content.key, host.read_u64());
        MILLRACE_TRY(content.proof, read_proof(host, wasm::content_depth));
        if (!witness.contents.empty() && content.key <= witness.contents.back().key)
            return Err{RlpError::bad_value};
        if (content.proof.pages.empty()) return Err{RlpError::non_canonical};
        witness.contents.push_back(std::move(content));
    }
    return witness;
}

}  // namespace millrace::judge
