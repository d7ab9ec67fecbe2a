// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "cli/job_file.hpp"

#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "io/config.hpp"
#include "io/files.hpp"
#include "io/toml.hpp"
#include "types/task.hpp"

namespace millrace::cli {
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> job_keys{
    "version", "name", "module", "args",   "files",    "for",       "range",    "env",
    "out",     "fuel", "memory", "output", "replicas", "price_max", "cost_max", "providers"};

Failure job_failure(std::string what, const fs::path& file, std::string remedy) {
    return {.what = std::move(what), .where = file.string(), .remedy = std::move(remedy)};
}

Outcome<std::vector<std::string>> read_texts(const toml::table& table, const char* key,
                                             const fs::path& file) {
    std::vector<std::string> texts;
    const auto node = table[key];
    if (!node) return texts;
    if (const auto one = node.value<std::string>()) return std::vector<std::string>{*one};
    const auto* list = node.as_array();
    const bool all_texts = list != nullptr && std::ranges::all_of(*list, [](const auto& item) {
                               return item.is_string();
                           });
    if (!all_texts) {
        return Err{job_failure("'" + std::string{key} + "' must be a text or a list of texts", file,
                               "write " + std::string{key} + " = [\"…\"]")};
    }
    for (const auto& item : *list)
        texts.push_back(*item.value<std::string>());
    return texts;
}

/// A text, or absent. Never a value of another type that would silently mean something else.
Outcome<std::optional<std::string>> read_text(const toml::table& table, const char* key,
                                              const fs::path& file) {
    const auto node = table[key];
    if (!node) return std::optional<std::string>{};
    if (auto text = node.value_exact<std::string>()) return text;
    return Err{job_failure("'" + std::string{key} + "' must be a text", file,
                           "write it in quotes: " + std::string{key} + " = \"…\"")};
}

/// Numbers may be written as numbers or as texts with a unit.
Outcome<std::optional<std::string>> read_number_text(const toml::table& table, const char* key,
                                                     const fs::path& file) {
    const auto node = table[key];
    if (!node) return std::optional<std::string>{};
    if (auto text = node.value_exact<std::string>()) return text;
    if (const auto number = node.value_exact<std::int64_t>(); number && *number >= 0) {
        return std::optional{std::to_string(*number)};
    }
    return Err{job_failure("'" + std::string{key} + "' is not a number", file,
                           "write a whole number, or a text such as \"10G\"")};
}

bool match_parts(const std::vector<std::string>& pattern, std::size_t at,
                 const std::vector<std::string>& parts, std::size_t from) {
    // Depth is bounded by the number of parts of a pattern, which is bounded by path_size_max.
    if (at == pattern.size()) return from == parts.size();
    if (pattern[at] == "**") {
        for (std::size_t next = from; next <= parts.size(); ++next) {
            if (match_parts(pattern, at + 1, parts, next)) return true;
        }
        return false;
    }
    return from < parts.size() &&
           fnmatch(pattern[at].c_str(), parts[from].c_str(), FNM_PERIOD) == 0 &&
           match_parts(pattern, at + 1, parts, from + 1);
}

bool has_wildcard(const std::string& text) {
    return text.find_first_of("*?[") != std::string::npos;
}

void add_files_below(const fs::path& folder, std::vector<fs::path>& found) {
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator{
             folder, fs::directory_options::skip_permission_denied, ignored}) {
        if (entry.is_regular_file(ignored)) found.push_back(entry.path());
    }
}

/// The path a file of this machine gets inside a task: as written, without leading "/", "./",
/// "../".
std::string path_in_task(const fs::path& base, const fs::path& file) {
    fs::path relative = file.lexically_normal();
    const fs::path from_base = relative.lexically_relative(base.lexically_normal());
    if (!from_base.empty()) relative = from_base;
    std::string text;
    for (const auto& part : relative.relative_path()) {
        if (part == "." || part == ".." || part.empty()) continue;
        if (!text.empty()) text += '/';
        text += part.string();
    }
    return text;
}

Outcome<daemon::FileRequest> file_request(const fs::path& base, const fs::path& file,
                                          std::string path) {
    if (path.empty()) path = path_in_task(base, file);
    if (!types::is_valid_path(path)) {
        return Err{Failure{.what = "'" + path + "' cannot be a path inside a task",
                           .where = file.string(),
                           .remedy = "use a relative path of at most 1024 bytes without '..'"}};
    }
    if (access(file.c_str(), R_OK) != 0) {
        return Err{Failure{.what = "the input file is missing or unreadable",
                           .where = file.string(),
                           .remedy = "check the path and its permissions"}};
    }
    return daemon::FileRequest{fs::absolute(file).lexically_normal().string(), path};
}

Outcome<std::vector<daemon::FileRequest>> resolve_files(const fs::path& base,
                                                        const std::vector<std::string>& patterns) {
    std::vector<daemon::FileRequest> files;
    for (const auto& pattern : patterns) {
        const auto equals = pattern.find('=');
        if (equals != std::string::npos) {
            MILLRACE_TRY(auto file, file_request(base, base / pattern.substr(0, equals),
                                                 pattern.substr(equals + 1)));
            files.push_back(std::move(file));
            continue;
        }
        const auto matches = expand_pattern(base, pattern);
        if (matches.empty()) {
            return Err{Failure{.what = "no file matches '" + pattern + "'",
                               .where = base.string(),
                               .remedy = "check the pattern; it starts at this folder"}};
        }
        for (const auto& match : matches) {
            MILLRACE_TRY(auto file, file_request(base, match, ""));
            files.push_back(std::move(file));
        }
    }
    return files;
}

struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

std::optional<Range> parse_range(const std::string& text) {
    const auto dots = text.find("..");
    if (dots == std::string::npos) return std::nullopt;
    const auto first = parse_count(text.substr(0, dots), false);
    const auto last = parse_count(text.substr(dots + 2), false);
    if (!first || !last || *last < *first || *last - *first >= daemon::job_tasks_max) {
        return std::nullopt;
    }
    return Range{*first, *last};
}

std::string substitute(std::string text, const std::map<std::string, std::string>& values) {
    for (const auto& [key, value] : values) {
        const std::string mark = "{" + key + "}";
        for (auto at = text.find(mark); at != std::string::npos;
             at = text.find(mark, at + value.size())) {
            text.replace(at, mark.size(), value);
        }
    }
    return text;
}

std::vector<std::string> substitute_all(const std::vector<std::string>& texts,
                                        const std::map<std::string, std::string>& values) {
    std::vector<std::string> result;
    result.reserve(texts.size());
    for (const auto& text : texts)
        result.push_back(substitute(text, values));
    return result;
}

Outcome<std::vector<daemon::TaskRequest>> resolve_tasks(const JobDescription& job) {
    std::vector<daemon::TaskRequest> tasks;
    if (job.range && !job.for_each.empty()) {
        return Err{Failure{.what = "both 'range' and 'for' are given",
                           .where = job.name,
                           .remedy = "use one of them"}};
    }
    if (job.range) {
        const auto range = parse_range(*job.range);
        if (!range) {
            return Err{Failure{.what = "'" + *job.range + "' is not a range",
                               .where = "range",
                               .remedy = "write first..last, both included, at most a million"}};
        }
        for (std::uint64_t number = range->first; number <= range->last; ++number) {
            const std::string index = std::to_string(number);
            tasks.push_back({index, substitute_all(job.args, {{"index", index}}), {}});
        }
        return tasks;
    }
    if (job.for_each.empty()) {
        tasks.push_back({"0", substitute_all(job.args, {{"index", "0"}}), {}});
        return tasks;
    }
    MILLRACE_TRY(const auto files, resolve_files(job.base, job.for_each));
    if (files.size() > daemon::job_tasks_max) {
        return Err{Failure{
            .what = "more than a million files match", .where = "for", .remedy = "split the job"}};
    }
    for (const auto& file : files) {
        const fs::path path{file.path};
        const std::map<std::string, std::string> values{{"index", std::to_string(tasks.size())},
                                                        {"path", file.path},
                                                        {"name", path.filename().string()},
                                                        {"stem", path.stem().string()}};
        tasks.push_back({file.path, substitute_all(job.args, values), {file}});
    }
    return tasks;
}

Outcome<std::uint64_t> resolve_count(const std::optional<std::string>& text, const char* key,
                                     bool binary, std::uint64_t fallback, std::uint64_t count_max) {
    if (!text) return fallback;
    const auto count = parse_count(*text, binary);
    if (!count || *count == 0 || *count > count_max) {
        return Err{Failure{.what = "'" + *text + "' is not a limit",
                           .where = key,
                           .remedy = "write a number from 1 to " + std::to_string(count_max) +
                                     ", or one with k, M, G or T"}};
    }
    return *count;
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text, bool binary) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    std::string_view unit{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    if (binary && unit.ends_with("iB")) unit.remove_suffix(2);
    static constexpr std::string_view units = "kMGT";
    std::size_t power = 0;
    if (!unit.empty()) {
        const auto found = units.find(unit == "K" ? 'k' : unit[0]);
        if (unit.size() != 1 || found == std::string_view::npos) return std::nullopt;
        power = found + 1;
    }
    for (; power > 0; --power) {
        if (__builtin_mul_overflow(number, binary ? 1024u : 1000u, &number)) return std::nullopt;
    }
    return number;
}

std::vector<fs::path> expand_pattern(const fs::path& base, const std::string& pattern) {
    std::vector<fs::path> found;
    std::error_code ignored;
    if (!has_wildcard(pattern)) {
        const fs::path path = base / pattern;
        if (fs::is_directory(path, ignored)) {
            add_files_below(path, found);
        } else {
            found.push_back(path);  // a missing file is reported by name later
        }
        std::ranges::sort(found);
        return found;
    }
    fs::path root;
    std::vector<std::string> parts;
    for (const auto& part : fs::path{pattern}) {
        if (parts.empty() && !has_wildcard(part.string())) {
            root /= part;
        } else {
            parts.push_back(part.string());
        }
    }
    root = base / root;
    std::vector<fs::path> candidates;
    add_files_below(root, candidates);
    for (const auto& candidate : candidates) {
        std::vector<std::string> names;
        for (const auto& part : candidate.lexically_relative(root))
            names.push_back(part.string());
        if (match_parts(parts, 0, names, 0)) found.push_back(candidate);
    }
    std::ranges::sort(found);
    return found;
}

Outcome<JobDescription> read_job_file(const fs::path& file) {
    constexpr std::uint64_t file_size_max = 16u << 20;
    MILLRACE_TRY(const std::string text, io::read_text_file(file.string(), file_size_max));
    const auto parsed = io::parse_toml(text, file.string());
    if (!parsed) {
        return Err{
            job_failure(parsed.error().what, parsed.error().where, "see docs/formats/job.md")};
    }
    const toml::table& table = *parsed;
    for (const auto& [key, value] : table) {
        const std::string name{key.str()};
        if (std::ranges::find(job_keys, name) == job_keys.end()) {
            return Err{job_failure("unknown key '" + name + "'",
                                   file.string() + ":" + std::to_string(value.source().begin.line),
                                   "did you mean '" + io::nearest_name(name, job_keys) + "'?")};
        }
    }
    if (table["version"].value<std::int64_t>() != 1) {
        return Err{job_failure("the job file has no `version = 1`, or another version", file,
                               "write version = 1; this program knows no other")};
    }
    JobDescription job;
    job.base = fs::absolute(file).parent_path();
    MILLRACE_TRY(const auto name, read_text(table, "name", file));
    job.name = name.value_or(file.stem().string());
    MILLRACE_TRY(const auto module, read_text(table, "module", file));
    job.module = module.value_or("");
    MILLRACE_TRY(job.args, read_texts(table, "args", file));
    MILLRACE_TRY(job.files, read_texts(table, "files", file));
    MILLRACE_TRY(job.for_each, read_texts(table, "for", file));
    MILLRACE_TRY(job.environment, read_texts(table, "env", file));
    MILLRACE_TRY(job.providers, read_texts(table, "providers", file));
    MILLRACE_TRY(job.range, read_text(table, "range", file));
    MILLRACE_TRY(const auto out, read_text(table, "out", file));
    job.out = out.value_or("");
    if (!job.out.empty()) job.out = (job.base / job.out).lexically_normal().string();
    MILLRACE_TRY(job.fuel, read_number_text(table, "fuel", file));
    MILLRACE_TRY(job.memory, read_number_text(table, "memory", file));
    MILLRACE_TRY(job.output, read_number_text(table, "output", file));
    const auto replicas_node = table["replicas"];
    const std::int64_t replicas =
        replicas_node ? replicas_node.value_exact<std::int64_t>().value_or(0) : 2;
    if (replicas < 1 || replicas > 7) {
        return Err{
            job_failure("'replicas' is not a number from 1 to 7", file, "write replicas = 2")};
    }
    job.replicas = static_cast<std::uint32_t>(replicas);
    MILLRACE_TRY(const auto price_max, read_text(table, "price_max", file));
    job.price_max = price_max.value_or("");
    MILLRACE_TRY(const auto cost_max, read_text(table, "cost_max", file));
    job.cost_max = cost_max.value_or("");
    return job;
}

Outcome<daemon::JobRequest> resolve_job(const JobDescription& job) {
    daemon::JobRequest request;
    if (job.module.empty()) {
        return Err{Failure{.what = "no module is given",
                           .where = job.name,
                           .remedy =
                               "name a .wasm file: millrace run app.wasm …, or `module` in the "
                               "job file"}};
    }
    const fs::path module = job.base / job.module;
    if (access(module.c_str(), R_OK) != 0) {
        return Err{Failure{.what = "the module is missing or unreadable",
                           .where = module.lexically_normal().string(),
                           .remedy = "build it first, or check the path"}};
    }
    request.module = fs::absolute(module).lexically_normal().string();
    request.name = job.name.empty() ? module.stem().string() : job.name;
    for (const auto& pair : job.environment) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Err{Failure{.what = "'" + pair + "' is not NAME=value",
                               .where = "env",
                               .remedy = "write env = [\"NAME=value\"]"}};
        }
        request.environment.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    std::ranges::sort(request.environment);
    MILLRACE_TRY(request.files, resolve_files(job.base, job.files));
    MILLRACE_TRY(request.tasks, resolve_tasks(job));
    request.out = job.out.empty() ? "" : fs::absolute(job.out).lexically_normal().string();
    MILLRACE_TRY(request.fuel_limit, resolve_count(job.fuel, "fuel", false, request.fuel_limit,
                                                   types::fuel_per_task_max));
    MILLRACE_TRY(request.memory_limit,
                 resolve_count(job.memory, "memory", true, request.memory_limit,
                               types::memory_per_task_max));
    MILLRACE_TRY(request.output_limit, resolve_count(job.output, "output", true,
                                                     request.output_limit, types::blob_size_max));
    request.replicas = job.replicas;
    request.price_max = job.price_max;
    request.cost_max = job.cost_max;
    request.providers = job.providers;
    return request;
}

}  // namespace millrace::cli
