// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "store/unsynced_files.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <string>

namespace millrace::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class HoldingFile final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

    IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
        held_.append(data.data(), data.size());
        return IOStatus::OK();
    }
    IOStatus Append(const Slice& data, const IOOptions& options,
                    const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
        return Append(data, options, debug);
    }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
        return IOStatus::OK();
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        const IOStatus passed = pass_on(options, debug);
        return passed.ok() ? target()->Sync(options, debug) : passed;
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        const IOStatus passed = pass_on(options, debug);
        return passed.ok() ? target()->Fsync(options, debug) : passed;
    }
    IOStatus Truncate(std::uint64_t size, const IOOptions& options,
                      IODebugContext* debug) override {
        const IOStatus passed = pass_on(options, debug);
        return passed.ok() ? target()->Truncate(size, options, debug) : passed;
    }
    IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
        const IOStatus passed = pass_on(options, debug);
        return passed.ok() ? target()->Close(options, debug) : passed;
    }
    bool IsSyncThreadSafe() const override { return false; }
    std::uint64_t GetFileSize(const IOOptions& options, IODebugContext* debug) override {
        return target()->GetFileSize(options, debug) + held_.size();
    }

  private:
    IOStatus pass_on(const IOOptions& options, IODebugContext* debug) {
        if (held_.empty()) return IOStatus::OK();
        const IOStatus passed = target()->Append(held_, options, debug);
        if (passed.ok()) held_.clear();
        return passed;
    }

    std::string held_;
};

class HoldingFiles final : public rocksdb::FileSystemWrapper {
  public:
    using FileSystemWrapper::FileSystemWrapper;

    const char* Name() const override { return "millrace.unsynced"; }

    IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                             std::unique_ptr<FSWritableFile>* file,
                             IODebugContext* debug) override {
        return hold(target()->NewWritableFile(name, options, file, debug), *file);
    }
    IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                                std::unique_ptr<FSWritableFile>* file,
                                IODebugContext* debug) override {
        return hold(target()->ReopenWritableFile(name, options, file, debug), *file);
    }
    IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                               const FileOptions& options, std::unique_ptr<FSWritableFile>* file,
                               IODebugContext* debug) override {
        return hold(target()->ReuseWritableFile(name, old_name, options, file, debug), *file);
    }

  private:
    static IOStatus hold(IOStatus opened, std::unique_ptr<FSWritableFile>& file) {
        if (opened.ok()) file = std::make_unique<HoldingFile>(std::move(file));
        return opened;
    }
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_unsynced_files() {
    return rocksdb::NewCompositeEnv(
        std::make_shared<HoldingFiles>(rocksdb::Env::Default()->GetFileSystem()));
}

}  // namespace millrace::store
