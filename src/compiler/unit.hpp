// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/NoFolder.h>

#include <memory>
#include <set>
#include <string>

#include "aot/abi.hpp"
#include "compiler/operations.hpp"
#include "wasm/module_data.hpp"

/// One LLVM module that holds some of a WebAssembly module's functions, and how all of them are
/// named, typed and reached (aot/abi.hpp). Units are compiled apart, perhaps at the same time, and
/// meet again in the linker by these names:
///
///     f<index>   function          e<type>  EntryThunk of a type
///     h<type>    thunk of a type for a host function, which arrives in place of `room`
namespace millrace::compiler {

/// Floats whose bits must be exact go through calls of these, which placement (exact_nan.hpp) and
/// then codegen replace.
constexpr const char* exact_f32_name = "millrace.exact.f32";
constexpr const char* exact_f64_name = "millrace.exact.f64";

/// Folds nothing: placement has to see every arithmetic instruction.
using Builder = llvm::IRBuilder<llvm::NoFolder>;

class Unit {
  public:
    Unit(llvm::LLVMContext& context, const wasm::ModuleData& module, const std::string& name,
         aot::Convention convention, aot::Metering metering = aot::Metering::exact);

    [[nodiscard]] const wasm::ModuleData& source() const noexcept { return source_; }
    [[nodiscard]] llvm::Module& module() noexcept { return *module_; }
    [[nodiscard]] llvm::LLVMContext& context() noexcept { return context_; }

    [[nodiscard]] bool is_metered() const noexcept { return metering_ == aot::Metering::exact; }
    [[nodiscard]] llvm::CallingConv::ID convention() const noexcept { return convention_; }
    [[nodiscard]] llvm::Type* type(Type type) const noexcept {
        return types_[static_cast<std::size_t>(type)];
    }
    [[nodiscard]] llvm::Type* pointer() const noexcept { return pointer_; }
    [[nodiscard]] llvm::Type* i64() const noexcept { return type(Type::i64); }
    [[nodiscard]] llvm::FunctionType* function_type(const wasm::FuncType& type) const;
    [[nodiscard]] llvm::Function* function(std::uint32_t index);
    /// Some unit of the module must define it: define_host_thunk.
    [[nodiscard]] llvm::Function* host_thunk(std::uint32_t type);
    /// The types whose host thunks were asked for.
    [[nodiscard]] const std::set<std::uint32_t>& host_types() const noexcept { return host_types_; }
    [[nodiscard]] llvm::Function* exact(Type type) const noexcept {
        return type == Type::f32 ? exact_f32_ : exact_f64_;
    }
    /// Ends the run; takes context, fuel and kind.
    [[nodiscard]] llvm::Function* trap();
    /// Leaves it to the process what happens now that fuel is short (aot/abi.hpp); the fuel with
    /// which the run goes on, if it does.
    llvm::Value* stop_at_safe_point(Builder& at, llvm::Value* fuel);

    /// A field of the NativeContext that never changes.
    llvm::Value* constant_field(Builder& at, llvm::Value* context, std::size_t offset,
                                llvm::Type* type, const char* name);
    /// A load whose value never changes while an instance lives.
    llvm::Value* constant_load(Builder& at, llvm::Type* type, llvm::Value* address);
    static llvm::Value* offset(Builder& at, llvm::Value* base, std::uint64_t bytes);
    [[nodiscard]] llvm::MDNode* unlikely() const noexcept { return unlikely_; }

    /// The bits of a value as a slot has them, and back.
    llvm::Value* to_slot(Builder& at, llvm::Value* value, Type type);
    llvm::Value* from_slot(Builder& at, llvm::Value* bits, Type type);

    /// Results beyond one lie in NativeContext::values.
    void give_many(Builder& at, llvm::Value* context, llvm::ArrayRef<llvm::Value*> values,
                   const wasm::FuncType& type);
    llvm::SmallVector<llvm::Value*, 4> take_results(Builder& at, llvm::Value* context,
                                                    llvm::Value* returned,
                                                    const wasm::FuncType& type);
    static llvm::Value* fuel_of(Builder& at, llvm::Value* returned, const wasm::FuncType& type);
    /// The return of a function with one result or none.
    static void give(Builder& at, llvm::Function& function, llvm::Value* fuel, llvm::Value* result);

    void define_entry_thunk(std::uint32_t type);
    void define_host_thunk(std::uint32_t type);
    void set_attributes(llvm::Function& function);

  private:
    llvm::Function* declare(const std::string& name, llvm::FunctionType* type, bool is_internal);

    llvm::CallingConv::ID convention_;
    aot::Metering metering_;
    llvm::LLVMContext& context_;
    const wasm::ModuleData& source_;
    std::unique_ptr<llvm::Module> module_;
    llvm::Type* types_[type_count] = {};
    llvm::Type* pointer_ = nullptr;
    llvm::Function* exact_f32_ = nullptr;
    llvm::Function* exact_f64_ = nullptr;
    llvm::Function* trap_ = nullptr;
    llvm::MDNode* unlikely_ = nullptr;
    llvm::MDNode* empty_ = nullptr;
    std::set<std::uint32_t> host_types_;
};

/// The attribute of functions that no pass over intermediate code makes better: thunks.
inline constexpr const char* straight_attribute = "millrace-straight";

/// Whether a block holds a stop_at_safe_point().
bool is_safe_point(const llvm::BasicBlock& block);

/// The body of function `index`, which the unit declares.
void lower_function(Unit& unit, std::uint32_t index, const wasm::Code& code);

}  // namespace millrace::compiler
