// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "compiler/object.hpp"

#include <elf.h>

#include <cstring>
#include <limits>

namespace millrace::compiler {
namespace {

Failure broken(std::string what) {
    return {"the compiled code cannot be linked: " + std::move(what), "",
            "this is an error of millrace-compile; please report it with the module"};
}

/// One object file; its reader trusts nothing that an index could break.
class Object {
  public:
    static Outcome<Object> open(const Bytes& bytes) {
        Object object{bytes};
        if (bytes.size() < sizeof(Elf64_Ehdr)) return Err{broken("an object is too short")};
        const auto header = object.at<Elf64_Ehdr>(0);
        object.sections_.resize(header.e_shnum);
        for (std::size_t index = 0; index < object.sections_.size(); ++index)
            object.sections_[index] =
                object.at<Elf64_Shdr>(header.e_shoff + index * sizeof(Elf64_Shdr));
        if (header.e_shnum == 0 || header.e_shstrndx >= header.e_shnum)
            return Err{broken("an object has too many sections")};
        object.names_ = object.sections_[header.e_shstrndx].sh_offset;
        for (const Elf64_Shdr& section : object.sections_) {
            if (section.sh_type != SHT_SYMTAB) continue;
            object.strings_ = object.sections_.at(section.sh_link).sh_offset;
            for (std::uint64_t done = 0; done < section.sh_size; done += sizeof(Elf64_Sym))
                object.symbols_.push_back(object.at<Elf64_Sym>(section.sh_offset + done));
        }
        return object;
    }

    [[nodiscard]] const std::vector<Elf64_Shdr>& sections() const noexcept { return sections_; }
    [[nodiscard]] const std::vector<Elf64_Sym>& symbols() const noexcept { return symbols_; }
    [[nodiscard]] std::string section_name(const Elf64_Shdr& section) const {
        return text(names_ + section.sh_name);
    }
    [[nodiscard]] std::string symbol_name(const Elf64_Sym& symbol) const {
        return text(strings_ + symbol.st_name);
    }
    [[nodiscard]] ByteView content(const Elf64_Shdr& section) const {
        return ByteView{*bytes_}.subspan(section.sh_offset, section.sh_size);
    }
    template <typename T>
    [[nodiscard]] T at(std::uint64_t offset) const {
        T value;
        std::memcpy(&value, ByteView{*bytes_}.subspan(offset, sizeof value).data(), sizeof value);
        return value;
    }
    [[nodiscard]] std::vector<Elf64_Rela> relocations(const Elf64_Shdr& section) const {
        std::vector<Elf64_Rela> list;
        for (std::uint64_t done = 0; done < section.sh_size; done += sizeof(Elf64_Rela))
            list.push_back(at<Elf64_Rela>(section.sh_offset + done));
        return list;
    }

    static constexpr std::uint64_t unplaced = ~0ULL;
    std::vector<std::uint64_t> placed;  ///< by section: offset in the linked code

  private:
    explicit Object(const Bytes& bytes) : bytes_{&bytes} {}
    [[nodiscard]] std::string text(std::uint64_t offset) const {
        std::string result;
        for (; bytes_->at(offset) != 0; ++offset)
            result.push_back(static_cast<char>((*bytes_)[offset]));
        return result;
    }

    const Bytes* bytes_;
    std::vector<Elf64_Shdr> sections_;
    std::vector<Elf64_Sym> symbols_;
    std::uint64_t names_ = 0;
    std::uint64_t strings_ = 0;
};

class Linker {
  public:
    explicit Linker(const std::vector<Bytes>& objects) : bytes_{objects} {}

    Outcome<LinkedCode> run() {
        for (const Bytes& bytes : bytes_) {
            MILLRACE_TRY(Object object, Object::open(bytes));
            objects_.push_back(std::move(object));
        }
        for (const bool is_code : {true, false}) {
            for (Object& object : objects_)
                MILLRACE_TRY_VOID(place(object, is_code));
        }
        for (const Object& object : objects_)
            define_symbols(object);
        for (const Object& object : objects_)
            MILLRACE_TRY_VOID(resolve(object));
        return std::move(result_);
    }

  private:
    Outcome<void> place(Object& object, bool is_code) {
        object.placed.resize(object.sections().size(), Object::unplaced);
        for (std::size_t index = 0; index < object.sections().size(); ++index) {
            const Elf64_Shdr& section = object.sections()[index];
            if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_size == 0) continue;
            if (((section.sh_flags & SHF_EXECINSTR) != 0) != is_code) continue;
            if ((section.sh_flags & SHF_WRITE) != 0 || section.sh_type != SHT_PROGBITS)
                return Err{broken("it has a section " + object.section_name(section))};
            Bytes& code = result_.code;
            const std::uint64_t align = std::max<std::uint64_t>(section.sh_addralign, 16);
            // int3, so that nothing can run into the space between.
            code.resize((code.size() + align - 1) / align * align, 0xcc);
            object.placed[index] = code.size();
            const ByteView content = object.content(section);
            code.insert(code.end(), content.begin(), content.end());
            if (code.size() > (1U << 30U)) return Err{broken("it is larger than 1 GiB")};
        }
        return {};
    }

    void define_symbols(const Object& object) {
        for (const Elf64_Sym& symbol : object.symbols()) {
            if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
                ELF64_ST_BIND(symbol.st_info) == STB_LOCAL)
                continue;
            result_.symbols[object.symbol_name(symbol)] =
                static_cast<std::uint32_t>(object.placed.at(symbol.st_shndx) + symbol.st_value);
        }
    }

    /// Null when nobody defines it.
    std::optional<std::uint64_t> address(const Object& object, std::uint64_t index) const {
        const Elf64_Sym& symbol = object.symbols().at(index);
        if (symbol.st_shndx == SHN_UNDEF) {
            const auto found = result_.symbols.find(object.symbol_name(symbol));
            if (found == result_.symbols.end()) return std::nullopt;
            return found->second;
        }
        const std::uint64_t base = object.placed.at(symbol.st_shndx);
        if (base == Object::unplaced) return std::nullopt;
        return base + symbol.st_value;
    }

    Outcome<void> resolve(const Object& object) {
        for (const Elf64_Shdr& section : object.sections()) {
            if (section.sh_type != SHT_RELA) continue;
            const Elf64_Shdr& target = object.sections().at(section.sh_info);
            if (object.section_name(target) == ".stack_sizes") {
                read_frames(object, target, section);
                continue;
            }
            const std::uint64_t base = object.placed.at(section.sh_info);
            if (base == Object::unplaced) continue;
            for (const Elf64_Rela& entry : object.relocations(section))
                MILLRACE_TRY_VOID(apply(object, base, entry));
        }
        return {};
    }

    Outcome<void> apply(const Object& object, std::uint64_t base, const Elf64_Rela& entry) {
        const std::uint64_t index = ELF64_R_SYM(entry.r_info);
        const auto symbol = address(object, index);
        if (!symbol)
            return Err{broken("it needs " + object.symbol_name(object.symbols().at(index)))};
        const std::uint64_t place = base + entry.r_offset;
        const auto type = ELF64_R_TYPE(entry.r_info);
        const auto value =
            static_cast<std::int64_t>(*symbol) + entry.r_addend - static_cast<std::int64_t>(place);
        if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
            return Err{broken("it has a relocation of type " + std::to_string(type))};
        if (value < std::numeric_limits<std::int32_t>::min() ||
            value > std::numeric_limits<std::int32_t>::max())
            return Err{broken("a relocation does not reach")};
        const auto narrow = static_cast<std::int32_t>(value);
        std::memcpy(std::span{result_.code}.subspan(place, 4).data(), &narrow, sizeof narrow);
        return {};
    }

    /// Entries of 8 bytes (the function, by relocation) and a LEB128 number.
    void read_frames(const Object& object, const Elf64_Shdr& section, const Elf64_Shdr& entries) {
        const ByteView bytes = object.content(section);
        for (const Elf64_Rela& entry : object.relocations(entries)) {
            const Elf64_Sym& symbol = object.symbols().at(ELF64_R_SYM(entry.r_info));
            std::uint64_t size = 0;
            std::size_t at = entry.r_offset + 8;
            for (unsigned shift = 0; at < bytes.size() && shift < 64; shift += 7) {
                const std::uint8_t byte = bytes[at++];
                size |= std::uint64_t{byte & 0x7fU} << shift;
                if ((byte & 0x80U) == 0) break;
            }
            const std::uint64_t start =
                symbol.st_value + static_cast<std::uint64_t>(entry.r_addend);
            for (const Elf64_Sym& function : object.symbols()) {
                if (ELF64_ST_TYPE(function.st_info) == STT_FUNC &&
                    function.st_shndx == symbol.st_shndx && function.st_value == start &&
                    ELF64_ST_BIND(function.st_info) != STB_LOCAL)
                    result_.frame_bytes[object.symbol_name(function)] = size;
            }
        }
    }

    const std::vector<Bytes>& bytes_;
    std::vector<Object> objects_;
    LinkedCode result_;
};

}  // namespace

Outcome<LinkedCode> link_objects(const std::vector<Bytes>& objects) {
    return Linker{objects}.run();
}

}  // namespace millrace::compiler
