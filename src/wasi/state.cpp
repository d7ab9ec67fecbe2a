// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "wasi/state.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "wasi/state_check.hpp"

namespace millrace::wasi {
namespace {

using codec::RlpError;
using codec::RlpReaderView;
using codec::RlpWriter;

constexpr std::uint64_t state_version = 1;

void write_content(RlpWriter& writer, const ContentRoots& roots, Content key) {
    const auto found = roots.find(static_cast<std::uint64_t>(key));
    MILLRACE_ASSERT(found != roots.end());
    writer.write(found->second.size);
    writer.write(found->second.root);
}

void write_strings(RlpWriter& writer, const std::vector<std::string>& strings) {
    const auto list = writer.begin_list();
    for (const std::string& text : strings)
        writer.write_text(text);
    writer.end_list(list);
}

Result<std::vector<std::string>, RlpError> read_strings(RlpReaderView& reader) {
    MILLRACE_TRY(RlpReaderView list, reader.read_list());
    std::vector<std::string> strings;
    while (!list.at_end()) {
        MILLRACE_TRY(std::string text, list.read_text(state_bytes_max));
        strings.push_back(std::move(text));
    }
    return strings;
}

void write_descriptor(RlpWriter& writer, std::uint64_t number, const Descriptor& open) {
    writer.write(number);
    writer.write(static_cast<std::uint64_t>(open.stream));
    writer.write(open.inode);
    writer.write(open.offset);
    writer.write(std::uint64_t{open.flags});
    writer.write(open.base);
    writer.write(open.inheriting);
    writer.write(std::uint64_t{open.is_preopened ? 1U : 0U});
}

Result<Descriptor, RlpError> read_descriptor(RlpReaderView& list) {
    Descriptor open;
    MILLRACE_TRY(const std::uint64_t stream, list.read_u64());
    MILLRACE_TRY(open.inode, list.read_u64());
    MILLRACE_TRY(open.offset, list.read_u64());
    MILLRACE_TRY(const std::uint64_t flags, list.read_u64());
    MILLRACE_TRY(open.base, list.read_u64());
    MILLRACE_TRY(open.inheriting, list.read_u64());
    MILLRACE_TRY(const std::uint64_t preopened, list.read_u64());
    if (stream > static_cast<std::uint64_t>(Stream::error) || flags > 0xffff || preopened > 1)
        return Err{RlpError::bad_value};
    open.stream = static_cast<Stream>(stream);
    open.flags = static_cast<std::uint16_t>(flags);
    open.is_preopened = preopened == 1;
    return open;
}

void write_node(RlpWriter& writer, Inode inode, const Node& node, const ContentRoots& roots) {
    const auto list = writer.begin_list();
    for (const std::uint64_t value :
         {inode, static_cast<std::uint64_t>(node.type), node.links, node.opens, node.accessed_ns,
          node.modified_ns, node.changed_ns})
        writer.write(value);
    switch (node.type) {
        case FileType::directory: {
            writer.write(node.cookie_next);
            writer.write(node.parent);
            const auto entries = writer.begin_list();
            for (const auto& [name, entry] : node.entries) {
                writer.write_text(name);
                writer.write(entry.inode);
                writer.write(entry.cookie);
            }
            writer.end_list(entries);
            break;
        }
        case FileType::symbolic_link:
            writer.write_text(node.target);
            break;
        default:
            writer.write(std::uint64_t{node.shared ? 1U : 0U});
            write_content(writer, roots, content_of(inode));
            break;
    }
    writer.end_list(list);
}

}  // namespace

Bytes StateCodec::encode(const Context& context, const ContentRoots& roots) {
    const FileTree& tree = context.tree_;
    RlpWriter writer;
    const auto list = writer.begin_list();
    writer.write(state_version);
    write_strings(writer, context.input_.arguments);
    write_strings(writer, context.environment_);
    writer.write(context.input_.seed);
    for (const Content key : {Content::input, Content::output, Content::error})
        write_content(writer, roots, key);
    for (const std::uint64_t value :
         {tree.limits_.output_bytes, std::uint64_t{tree.limits_.nodes},
          std::uint64_t{tree.limits_.changes}, std::uint64_t{tree.limits_.path_size},
          tree.last_inode_, tree.output_bytes_, tree.stream_bytes_, tree.names_,
          static_cast<std::uint64_t>(tree.limit_hit_), context.slept_ns_, context.random_block_})
        writer.write(value);
    writer.write(ByteView{context.random_rest_});
    const auto descriptors = writer.begin_list();
    for (std::size_t number = 0; number < context.descriptors_.size(); ++number) {
        if (context.descriptors_[number])
            write_descriptor(writer, number, *context.descriptors_[number]);
    }
    writer.end_list(descriptors);
    const auto nodes = writer.begin_list();
    std::vector<Inode> inodes;
    inodes.reserve(tree.nodes_.size());
    for (const auto& [inode, node] : tree.nodes_)
        inodes.push_back(inode);
    std::ranges::sort(inodes);
    for (const Inode inode : inodes)
        write_node(writer, inode, tree.node(inode), roots);
    writer.end_list(nodes);
    const auto transfer = writer.begin_list();
    writer.write(context.transfer_.size);
    writer.write(context.transfer_.position);
    for (const Piece piece : context.transfer_.pieces) {
        writer.write(std::uint64_t{piece.at});
        writer.write(std::uint64_t{piece.size});
    }
    writer.end_list(transfer);
    writer.end_list(list);
    return std::move(writer).take();
}

Result<std::unique_ptr<Context>, RlpError> StateCodec::decode(ByteView bytes,
                                                              std::uint64_t bytes_max,
                                                              ContentRoots& roots) {
    if (bytes.size() > state_bytes_max) return Err{RlpError::wrong_size};
    RlpReaderView whole{bytes};
    MILLRACE_TRY(RlpReaderView list, whole.read_list());
    MILLRACE_TRY_VOID(whole.finish());
    MILLRACE_TRY(const std::uint64_t version, list.read_u64());
    if (version != state_version) return Err{RlpError::bad_value};
    ContextInput input;
    input.has_root = false;
    MILLRACE_TRY(input.arguments, read_strings(list));
    MILLRACE_TRY(std::vector<std::string> environment, read_strings(list));
    MILLRACE_TRY(input.seed, list.read_fixed<Hash32>());

    std::uint64_t contents = 0;
    const auto read_content = [&](RlpReaderView& from,
                                  std::uint64_t key) -> Result<std::size_t, RlpError> {
        ContentRoot content;
        MILLRACE_TRY(content.size, from.read_u64());
        MILLRACE_TRY(content.root, from.read_fixed<Hash32>());
        if (content.size > bytes_max - contents) return Err{RlpError::wrong_size};
        contents += content.size;
        roots.emplace(key, content);
        return static_cast<std::size_t>(content.size);
    };
    std::array<std::size_t, 3> streams{};
    for (std::uint64_t key = 0; key < 3; ++key) {
        MILLRACE_TRY(streams[key], read_content(list, key));
    }
    std::array<std::uint64_t, 11> values{};
    for (std::uint64_t& value : values) {
        MILLRACE_TRY(value, list.read_u64());
    }
    if (values[1] > 0xffffffff || values[2] > 0xffffffff ||
        values[8] > static_cast<std::uint64_t>(LimitHit::files) || values[3] > 0xffffffff)
        return Err{RlpError::bad_value};
    // What the task may still write, too, must fit in the judge's memory.
    if (values[0] > bytes_max) return Err{RlpError::wrong_size};
    FileTree tree{{.output_bytes = values[0],
                   .nodes = static_cast<std::uint32_t>(values[1]),
                   .changes = static_cast<std::uint32_t>(values[2]),
                   .path_size = static_cast<std::size_t>(values[3])},
                  epoch_ns};
    input.standard_input = std::make_shared<const Bytes>(streams[0]);
    auto context = std::make_unique<Context>(std::move(input), std::move(tree));
    FileTree& files = context->tree_;
    context->environment_ = std::move(environment);
    context->standard_output_.resize(streams[1]);
    context->standard_error_.resize(streams[2]);
    files.last_inode_ = values[4];
    files.output_bytes_ = values[5];
    files.stream_bytes_ = values[6];
    files.names_ = values[7];
    files.limit_hit_ = static_cast<LimitHit>(values[8]);
    context->slept_ns_ = values[9];
    context->random_block_ = values[10];
    MILLRACE_TRY(context->random_rest_, list.read_bytes(32));

    context->descriptors_.clear();
    MILLRACE_TRY(RlpReaderView descriptors, list.read_list());
    while (!descriptors.at_end()) {
        MILLRACE_TRY(const std::uint64_t number, descriptors.read_u64());
        MILLRACE_TRY(Descriptor open, read_descriptor(descriptors));
        if (number >= descriptors_max || number < context->descriptors_.size())
            return Err{RlpError::bad_value};
        context->descriptors_.resize(number + 1);
        context->descriptors_[number] = open;
    }

    files.nodes_.clear();
    MILLRACE_TRY(RlpReaderView nodes, list.read_list());
    Inode last = 0;
    while (!nodes.at_end()) {
        MILLRACE_TRY(RlpReaderView from, nodes.read_list());
        std::array<std::uint64_t, 7> numbers{};
        for (std::uint64_t& number : numbers) {
            MILLRACE_TRY(number, from.read_u64());
        }
        const Inode inode = numbers[0];
        if (inode <= last || inode > files.last_inode_) return Err{RlpError::bad_value};
        last = inode;
        Node& node = files.nodes_[inode];
        node.type = static_cast<FileType>(numbers[1]);
        node.links = numbers[2];
        node.opens = numbers[3];
        node.accessed_ns = numbers[4];
        node.modified_ns = numbers[5];
        node.changed_ns = numbers[6];
        switch (numbers[1]) {
            case static_cast<std::uint64_t>(FileType::directory): {
                MILLRACE_TRY(node.cookie_next, from.read_u64());
                MILLRACE_TRY(node.parent, from.read_u64());
                MILLRACE_TRY(RlpReaderView entries, from.read_list());
                std::string before;
                while (!entries.at_end()) {
                    MILLRACE_TRY(std::string name, entries.read_text(name_size_max));
                    MILLRACE_TRY(const Inode to, entries.read_u64());
                    MILLRACE_TRY(const std::uint64_t cookie, entries.read_u64());
                    if (name.empty() || name <= before) return Err{RlpError::bad_value};
                    before = name;
                    const auto [entry, is_new] =
                        node.entries.emplace(std::move(name), DirectoryEntry{to, cookie});
                    if (!is_new || !node.listing.emplace(cookie, entry).second)
                        return Err{RlpError::bad_value};
                }
                break;
            }
            case static_cast<std::uint64_t>(FileType::symbolic_link): {
                MILLRACE_TRY(node.target, from.read_text(path_argument_size_max));
                break;
            }
            case static_cast<std::uint64_t>(FileType::regular_file): {
                MILLRACE_TRY(const std::uint64_t is_shared, from.read_u64());
                if (is_shared > 1) return Err{RlpError::bad_value};
                MILLRACE_TRY(const std::size_t size,
                             read_content(from, static_cast<std::uint64_t>(content_of(inode))));
                if (is_shared == 1) {
                    node.shared = std::make_shared<const Bytes>(size);
                } else {
                    node.own.resize(size);
                }
                break;
            }
            default:
                return Err{RlpError::bad_value};
        }
        MILLRACE_TRY_VOID(from.finish());
    }

    MILLRACE_TRY(RlpReaderView transfer, list.read_list());
    MILLRACE_TRY(context->transfer_.size, transfer.read_u64());
    MILLRACE_TRY(context->transfer_.position, transfer.read_u64());
    while (!transfer.at_end()) {
        MILLRACE_TRY(const std::uint64_t at, transfer.read_u64());
        MILLRACE_TRY(const std::uint64_t size, transfer.read_u64());
        if (at > 0xffffffff || size > 0xffffffff || context->transfer_.pieces.size() == iovecs_max)
            return Err{RlpError::bad_value};
        context->transfer_.pieces.push_back(
            {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)});
    }
    MILLRACE_TRY_VOID(list.finish());
    const StateView view{files.nodes_,
                         context->descriptors_,
                         context->transfer_,
                         files.limits_,
                         files.last_inode_,
                         files.output_bytes_,
                         files.stream_bytes_,
                         files.names_,
                         context->standard_output_.size() + context->standard_error_.size()};
    if (!is_possible(view)) return Err{RlpError::bad_value};
    return context;
}

void StateCodec::each_content(const Context& context,
                              const std::function<void(std::uint64_t, ByteView)>& told) {
    told(static_cast<std::uint64_t>(Content::input),
         context.input_.standard_input ? ByteView{*context.input_.standard_input} : ByteView{});
    told(static_cast<std::uint64_t>(Content::output), context.standard_output_);
    told(static_cast<std::uint64_t>(Content::error), context.standard_error_);
    for (const auto& [inode, node] : context.tree_.nodes_) {
        if (node.type == FileType::regular_file)
            told(static_cast<std::uint64_t>(content_of(inode)), node.content());
    }
}

Node* StateCodec::file(Context& context, std::uint64_t key) {
    const auto found =
        context.tree_.nodes_.find(key - static_cast<std::uint64_t>(Content::first_file));
    const bool is_file =
        found != context.tree_.nodes_.end() && found->second.type == FileType::regular_file;
    return is_file ? &found->second : nullptr;
}

bool StateCodec::put(Context& context, std::uint64_t key, std::uint64_t offset, ByteView bytes) {
    ByteView to;
    switch (static_cast<Content>(key)) {
        case Content::input:
            to = *context.input_.standard_input;
            break;
        case Content::output:
            to = context.standard_output_;
            break;
        case Content::error:
            to = context.standard_error_;
            break;
        default: {
            const Node* node = file(context, key);
            if (node == nullptr) return false;
            to = node->content();
            break;
        }
    }
    if (offset > to.size() || bytes.size() > to.size() - offset) return false;
    // Also a shared content is this context's own: decode() made it.
    std::ranges::copy(bytes, const_cast<std::uint8_t*>(to.data()) + offset);
    return true;
}

bool StateCodec::restore(Context& context, ByteView state,
                         const std::map<std::uint64_t, Bytes>& contents) {
    ContentRoots roots;
    auto decoded = decode(state, std::uint64_t{1} << 40U, roots);
    if (!decoded) return false;
    Context& made = **decoded;
    for (const auto& [key, bytes] : contents) {
        if (!put(made, key, 0, bytes)) return false;
    }
    made.tree_.inputs_ = std::move(context.tree_.inputs_);
    made.progress_ = std::move(context.progress_);
    made.logs_calls_ = context.logs_calls_;
    context = std::move(made);
    return true;
}

std::uint64_t StateCodec::last_content(const Context& context) {
    return static_cast<std::uint64_t>(content_of(context.tree_.last_inode_));
}

std::uint64_t StateCodec::pages_kept(const Context& context, std::uint64_t key) {
    const Node* node = file(const_cast<Context&>(context), key);
    return node == nullptr ? ~std::uint64_t{0} : node->pages_kept;
}

// ------------------------------------------------------------------------------------------ trees

ContentTrees::ContentTrees(Context& context) : context_{context} {
    StateCodec::tree(context).note_changes();
}

ContentRoots ContentTrees::settle() {
    ContentRoots roots;
    std::map<std::uint64_t, Kept> present;
    const auto hash = [](wasm::PageTree& tree, ByteView bytes, std::uint64_t page) {
        std::array<std::uint8_t, wasm::state_page_size> whole{};
        const std::uint64_t from = page * whole.size();
        if (from < bytes.size()) {
            const std::size_t size = std::min<std::size_t>(whole.size(), bytes.size() - from);
            std::ranges::copy(bytes.subspan(from, size), whole.begin());
        }
        tree.set_page(static_cast<std::uint32_t>(page), whole);
    };
    StateCodec::each_content(context_, [&](std::uint64_t key, ByteView bytes) {
        const auto found = trees_.find(key);
        Kept kept;
        std::uint64_t first = 0;  // pages from here on may have grown
        if (found != trees_.end()) {
            kept = std::move(found->second);
            first = key < static_cast<std::uint64_t>(Content::first_file)
                        ? kept.size / wasm::state_page_size
                        : (bytes.size() + wasm::state_page_size) / wasm::state_page_size;
        }
        const std::uint64_t pages =
            (bytes.size() + wasm::state_page_size - 1) / wasm::state_page_size;
        const bool has_grown = key >= static_cast<std::uint64_t>(Content::first_file) ||
                               bytes.size() != kept.size || found == trees_.end();
        if (has_grown) {
            for (std::uint64_t page = first; page < pages; ++page)
                hash(kept.tree, bytes, page);
        }
        if (Node* node = StateCodec::file(context_, key)) {
            for (const std::uint32_t page : node->changed)
                hash(kept.tree, bytes, page);
            node->changed.clear();
        }
        kept.size = bytes.size();
        roots.emplace(key, ContentRoot{kept.size, kept.tree.root()});
        present.emplace(key, std::move(kept));
    });
    trees_ = std::move(present);
    return roots;
}

const wasm::PageTree* ContentTrees::find(std::uint64_t key) const {
    const auto found = trees_.find(key);
    return found == trees_.end() ? nullptr : &found->second.tree;
}

}  // namespace millrace::wasi
