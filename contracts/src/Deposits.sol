// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Coins} from "./Coins.sol";
import {IProviders} from "./IProviders.sol";
import {MerkleSum} from "./MerkleSum.sol";
import {MillraceDomain} from "./MillraceDomain.sol";

/// @title Deposits: money of requestors, promised by allocations, paid by vouchers
/// @notice A payer deposits the native coin once. It promises parts of it by *allocations*: the root of a
/// Merkle-sum tree of (payee, cap) whose total leaves the free deposit. Per accepted task the payer signs a
/// *voucher* off chain, whose cumulative amount only grows; a payee settles the newest whenever it likes.
///
/// Rules:
/// - one stream per (payer, allocation, payee); it pays max(0, cumulative - settled), so a replayed or older
///   voucher pays nothing and a lost one costs nothing;
/// - a stream never pays over its leaf's cap, an allocation never over its total;
/// - anyone may submit a claim; the money goes to the payee's payout address and nowhere else;
/// - only the payee (or its signer) may close a stream: the rest of its cap returns to the payer at once;
/// - from the expiry on the payer may release what is left; until it does, claims are still honoured. A
///   payee that wants certainty settles before the expiry;
/// - free money leaves after a delay; money waiting for withdrawal cannot be promised.
///
/// Conservation: balance == sum of free + sum of pending + sum over allocations of (total - settled - freed).
/// Only coins forced upon the contract (self-destruct, block rewards) can make the balance larger.
/// @dev Amounts are stored in 128 bits: no more of a native coin can exist. There is no owner, no upgrade
/// and no fee.
contract Deposits is MillraceDomain, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @notice The payer's promise that `payee` has earned `cumulative` wei for `tasks` tasks so far.
    struct Voucher {
        address payer;
        address payee;
        uint256 allocation;
        uint256 cumulative;
        uint64 tasks;
    }

    /// @notice A voucher with the payer's signature (65 bytes r, s, v) and the place of the payee's leaf.
    /// @dev A claim of cumulative 0 claims nothing and needs no signature (it may still close the stream).
    struct Claim {
        Voucher voucher;
        bytes signature;
        uint256 cap;
        uint256 index;
        MerkleSum.Sibling[] proof;
        bool close;
    }

    /// @notice An allocation as seen from outside. `freed` went back to the payer by closing or release.
    struct Allocation {
        bytes32 root;
        uint256 total;
        uint256 settled;
        uint256 freed;
        uint32 leafCount;
        uint64 expiry;
        bool released;
    }

    struct AccountState {
        uint128 free;
        uint128 pending;
        uint64 withdrawableAt;
        uint64 allocationCount;
    }

    struct AllocationState {
        bytes32 root;
        uint128 total;
        uint64 expiry;
        uint32 leafCount;
        bool released;
        uint128 settled;
        uint128 freed;
    }

    struct StreamState {
        uint128 settled;
        uint64 tasks;
        bool closed;
    }

    bytes32 private constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address payer,address payee,uint256 allocation,uint256 cumulative,uint64 tasks)");

    /// @notice The registry that knows payout addresses and keeps the counters.
    IProviders public immutable providers;
    /// @notice Bounds of an allocation's life, in seconds from its creation.
    uint64 public immutable expiryMin;
    uint64 public immutable expiryMax;
    /// @notice Seconds between a request for withdrawal and the withdrawal.
    uint64 public immutable withdrawalDelay;

    mapping(address payer => AccountState) private accounts_;
    mapping(address payer => mapping(uint256 id => AllocationState)) private allocations_;
    mapping(address payer => mapping(uint256 id => mapping(address payee => StreamState))) private streams_;

    event Deposited(address indexed payer, address indexed from, uint256 amount);
    event Allocated(
        address indexed payer, uint256 indexed allocation, bytes32 root, uint256 total, uint32 leafCount, uint64 expiry
    );
    /// @notice `amount` was paid now; `cumulative` and `tasks` are the stream's sums so far.
    event Settled(
        address indexed payer,
        address indexed payee,
        uint256 indexed allocation,
        uint256 amount,
        uint256 cumulative,
        uint64 tasks
    );
    event Closed(address indexed payer, address indexed payee, uint256 indexed allocation, uint256 freed);
    event Released(address indexed payer, uint256 indexed allocation, uint256 freed);
    event WithdrawalRequested(address indexed payer, uint256 amount, uint64 withdrawableAt);
    event WithdrawalCancelled(address indexed payer, uint256 amount);
    event Withdrawn(address indexed payer, uint256 amount);

    error BoundsInvalid();
    error ZeroAddress();
    error ZeroAmount();
    error RootMissing();
    error LeafCountZero();
    error ExpiryOutOfBounds(uint64 expiry, uint64 earliest, uint64 latest);
    error FreeDepositTooSmall(uint256 free, uint256 wanted);
    error AllocationUnknown(address payer, uint256 allocation);
    error AllocationAlreadyReleased(address payer, uint256 allocation);
    error AllocationNotExpired(uint64 expiry);
    error VoucherNotSignedByPayer(address recovered);
    error ProofInvalid();
    error OverCap(uint256 cumulative, uint256 cap);
    error OverTotal();
    error StreamClosed();
    error NotThePayee(address caller);
    error NothingPending();
    error WithdrawalTooEarly(uint64 withdrawableAt);

    constructor(bytes32 network_, IProviders providers_, uint64 expiryMin_, uint64 expiryMax_, uint64 withdrawalDelay_)
        MillraceDomain(network_)
    {
        if (address(providers_) == address(0)) revert ZeroAddress();
        if (expiryMin_ > expiryMax_ || expiryMax_ > 3650 days || withdrawalDelay_ > 3650 days) revert BoundsInvalid();
        providers = providers_;
        expiryMin = expiryMin_;
        expiryMax = expiryMax_;
        withdrawalDelay = withdrawalDelay_;
    }

    // --- the payer's side -------------------------------------------------------------------------

    /// @notice Adds the sent coins to the free deposit of `payer`; anyone may pay for anyone.
    function deposit(address payer) external payable {
        if (payer == address(0)) revert ZeroAddress();
        if (msg.value == 0) revert ZeroAmount();
        accounts_[payer].free += msg.value.toUint128();
        emit Deposited(payer, msg.sender, msg.value);
    }

    /// @notice Promises `total` of the caller's free deposit to the leaves under `root` until `expiry`.
    /// @return id The allocation's number: 0, 1, 2 … for each payer.
    function allocate(bytes32 root, uint256 total, uint32 leafCount, uint64 expiry) external returns (uint256 id) {
        if (root == bytes32(0)) revert RootMissing();
        if (total == 0) revert ZeroAmount();
        if (leafCount == 0) revert LeafCountZero();
        uint64 earliest = uint64(block.timestamp) + expiryMin;
        uint64 latest = uint64(block.timestamp) + expiryMax;
        if (expiry < earliest || expiry > latest) revert ExpiryOutOfBounds(expiry, earliest, latest);
        AccountState storage account = accounts_[msg.sender];
        if (total > account.free) revert FreeDepositTooSmall(account.free, total);
        account.free -= uint128(total);
        id = account.allocationCount++;
        AllocationState storage state = allocations_[msg.sender][id];
        state.root = root;
        state.total = uint128(total);
        state.leafCount = leafCount;
        state.expiry = expiry;
        emit Allocated(msg.sender, id, root, total, leafCount, expiry);
    }

    /// @notice After the expiry: what is left of the caller's allocation returns to its free deposit.
    function release(uint256 id) external returns (uint256 freed) {
        AllocationState storage state = _open(msg.sender, id);
        if (block.timestamp < state.expiry) revert AllocationNotExpired(state.expiry);
        uint128 rest = state.total - state.settled - state.freed;
        state.freed += rest;
        state.released = true;
        accounts_[msg.sender].free += rest;
        emit Released(msg.sender, id, rest);
        return rest;
    }

    /// @notice Sets `amount` of the free deposit aside; a second request adds to it and restarts the delay.
    function requestWithdrawal(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        AccountState storage account = accounts_[msg.sender];
        if (amount > account.free) revert FreeDepositTooSmall(account.free, amount);
        account.free -= uint128(amount);
        account.pending += uint128(amount);
        account.withdrawableAt = uint64(block.timestamp) + withdrawalDelay;
        emit WithdrawalRequested(msg.sender, amount, account.withdrawableAt);
    }

    /// @notice Makes all that waits for withdrawal free again.
    function cancelWithdrawal() external {
        AccountState storage account = accounts_[msg.sender];
        uint128 amount = account.pending;
        if (amount == 0) revert NothingPending();
        account.pending = 0;
        account.withdrawableAt = 0;
        account.free += amount;
        emit WithdrawalCancelled(msg.sender, amount);
    }

    /// @notice Pays out all that waits, once the delay has passed, to the caller.
    function withdraw() external nonReentrant returns (uint256 amount) {
        AccountState storage account = accounts_[msg.sender];
        amount = account.pending;
        if (amount == 0) revert NothingPending();
        if (block.timestamp < account.withdrawableAt) revert WithdrawalTooEarly(account.withdrawableAt);
        account.pending = 0;
        account.withdrawableAt = 0;
        emit Withdrawn(msg.sender, amount);
        Coins.send(msg.sender, amount);
    }

    // --- the payee's side -------------------------------------------------------------------------

    /// @notice Settles one claim.
    /// @return paid What was paid now; 0 for a replayed or older voucher.
    function settle(Claim calldata claim) external nonReentrant returns (uint256 paid) {
        return _settle(claim);
    }

    /// @notice Settles claims in order; one that fails reverts them all.
    /// @return paid The sum of what was paid.
    function settleBatch(Claim[] calldata claims) external nonReentrant returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _settle(claims[i]);
        }
    }

    function _settle(Claim calldata claim) private returns (uint256 paid) {
        Voucher calldata voucher = claim.voucher;
        if (voucher.payee == address(0)) revert ZeroAddress();
        AllocationState storage state = _open(voucher.payer, voucher.allocation);
        if (voucher.cumulative != 0) {
            address signer = _recover(_hashVoucher(voucher), claim.signature);
            if (signer != voucher.payer) revert VoucherNotSignedByPayer(signer);
        }
        bool proven = MerkleSum.verify(
            state.root, state.total, state.leafCount, voucher.payee, claim.cap, claim.index, claim.proof
        );
        if (!proven) revert ProofInvalid();
        if (voucher.cumulative > claim.cap) revert OverCap(voucher.cumulative, claim.cap);
        if (claim.close && !providers.mayActFor(voucher.payee, msg.sender)) revert NotThePayee(msg.sender);

        StreamState storage stream = streams_[voucher.payer][voucher.allocation][voucher.payee];
        uint64 tasks = 0;
        if (voucher.cumulative > stream.settled) {
            if (stream.closed) revert StreamClosed();
            paid = voucher.cumulative - stream.settled;
            stream.settled = voucher.cumulative.toUint128();
            if (voucher.tasks > stream.tasks) {
                tasks = voucher.tasks - stream.tasks;
                stream.tasks = voucher.tasks;
            }
            state.settled += uint128(paid);
            emit Settled(
                voucher.payer, voucher.payee, voucher.allocation, paid, voucher.cumulative, stream.tasks
            );
        }
        if (claim.close) _close(voucher, claim.cap, state, stream);
        // Cannot happen while the proof is sound; money does not rest on one argument alone.
        if (uint256(state.settled) + state.freed > state.total) revert OverTotal();
        if (paid != 0) {
            providers.recordSettled(voucher.payee, tasks, paid);
            Coins.send(providers.payoutOf(voucher.payee), paid);
        }
    }

    /// @dev A payee that stands in two leaves has one stream: it may reach the larger cap, and closing by
    /// the smaller leaf is refused once more than that has been paid.
    function _close(Voucher calldata voucher, uint256 cap, AllocationState storage state, StreamState storage stream)
        private
    {
        if (stream.closed) revert StreamClosed();
        if (stream.settled > cap) revert OverCap(stream.settled, cap);
        stream.closed = true;
        uint128 rest = cap.toUint128() - stream.settled;
        state.freed += rest;
        accounts_[voucher.payer].free += rest;
        emit Closed(voucher.payer, voucher.payee, voucher.allocation, rest);
    }

    function _open(address payer, uint256 id) private view returns (AllocationState storage state) {
        state = allocations_[payer][id];
        if (state.root == bytes32(0)) revert AllocationUnknown(payer, id);
        if (state.released) revert AllocationAlreadyReleased(payer, id);
    }

    function _hashVoucher(Voucher calldata voucher) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                VOUCHER_TYPEHASH,
                voucher.payer,
                voucher.payee,
                voucher.allocation,
                voucher.cumulative,
                voucher.tasks
            )
        );
    }

    // --- views --------------------------------------------------------------------------------------

    /// @notice What `payer` may still promise or withdraw.
    function free(address payer) external view returns (uint256) {
        return accounts_[payer].free;
    }

    /// @notice What waits for withdrawal, and from when on it may leave.
    function pendingWithdrawal(address payer) external view returns (uint256 amount, uint64 withdrawableAt) {
        return (accounts_[payer].pending, accounts_[payer].withdrawableAt);
    }

    /// @notice How many allocations `payer` has made: the number of the next one.
    function allocationCount(address payer) external view returns (uint256) {
        return accounts_[payer].allocationCount;
    }

    /// @notice An allocation; all zero when there is none. Open money = total - settled - freed.
    function allocation(address payer, uint256 id) external view returns (Allocation memory) {
        AllocationState storage state = allocations_[payer][id];
        return Allocation({
            root: state.root,
            total: state.total,
            settled: state.settled,
            freed: state.freed,
            leafCount: state.leafCount,
            expiry: state.expiry,
            released: state.released
        });
    }

    /// @notice What has been paid to `payee` from this allocation.
    function settled(address payer, uint256 id, address payee) external view returns (uint256) {
        return streams_[payer][id][payee].settled;
    }

    /// @notice How many tasks the vouchers settled so far speak of.
    function settledTasks(address payer, uint256 id, address payee) external view returns (uint64) {
        return streams_[payer][id][payee].tasks;
    }

    /// @notice True when `payee` has closed its stream: it pays no more.
    function closed(address payer, uint256 id, address payee) external view returns (bool) {
        return streams_[payer][id][payee].closed;
    }

    /// @notice The 32 bytes a payer signs for this voucher.
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32) {
        return _digest(_hashVoucher(voucher));
    }
}
