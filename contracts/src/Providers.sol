// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Coins} from "./Coins.sol";
import {IProviders} from "./IProviders.sol";

/// @title Providers: who computes, where, at what price, with what stake and what record
/// @notice A provider is known by its *owner*, the cold key that registered it and the payee of its
/// vouchers. The *signer* is the hot key of the running agent: it signs receipts and may change terms,
/// endpoint and activity, never money. The *payout* address receives what is earned and changes only by the
/// owner and after a delay, so that a stolen machine redirects nothing unseen.
///
/// The counters move by evidence alone: Deposits reports paid tasks, Jobs reports contradictions. Task counts
/// are what payers signed; a payer may praise its friend, at the price of the money that moves. Whoever reads
/// the counters weighs them by `paidTotal` and by its own experience.
/// @dev The list never shrinks and keeps its order, so an index is stable. No owner, no upgrade.
contract Providers is IProviders, ReentrancyGuardTransient {

    struct Counters {
        uint64 acceptedTasks;
        uint256 paidTotal;
        uint64 contradictions;
        uint64 streak;
        uint64 score;
    }

    /// @notice Everything about a provider. `price` is wei per 10^9 fuel. Zero `owner` means unknown.
    struct Provider {
        address owner;
        address signer;
        address payout;
        bytes32 nodeKey;
        string endpoint;
        uint128 price;
        uint32 slots;
        bool active;
        uint64 registeredAt;
        uint256 stake;
        uint256 unbonding;
        uint64 unbondAt;
        address nextPayout;
        uint64 nextPayoutAt;
        Counters counters;
    }

    /// @notice Longest endpoint ("host:port"), in bytes.
    uint256 public constant ENDPOINT_SIZE_MAX = 128;
    /// @notice Most entries of one page.
    uint256 public constant PAGE_COUNT_MAX = 100;
    /// @notice The score grows by one per paid task up to this, and halves with each contradiction.
    uint64 public constant SCORE_MAX = 1_000_000;

    /// @notice The only callers of recordSettled and recordContradiction.
    address public immutable deposits;
    address public immutable jobs;
    /// @notice Stake below which a provider cannot be active; may be zero.
    uint256 public immutable stakeMin;
    /// @notice Seconds from the request to the withdrawal of stake, and to a change of the payout address.
    uint64 public immutable unbondDelay;
    uint64 public immutable payoutDelay;

    address[] private owners_;
    mapping(address owner => Provider) private providers_;
    mapping(address owner => mapping(address signer => bool)) private everSigner_;

    event Registered(address indexed owner, bytes32 nodeKey, string endpoint, uint128 price, uint32 slots);
    event Updated(address indexed owner, bytes32 nodeKey, string endpoint, uint128 price, uint32 slots);
    event ActiveChanged(address indexed owner, bool active);
    event SignerChanged(address indexed owner, address signer);
    event PayoutChangeRequested(address indexed owner, address payout, uint64 effectiveAt);
    event PayoutChangeCancelled(address indexed owner);
    event StakeAdded(address indexed owner, uint256 amount);
    event UnbondRequested(address indexed owner, uint256 amount, uint64 unbondAt);
    event UnbondCancelled(address indexed owner, uint256 amount);
    event StakeWithdrawn(address indexed owner, uint256 amount);
    event SettlementRecorded(address indexed owner, uint64 tasks, uint256 amount);
    event ContradictionRecorded(address indexed owner, uint64 contradictions, uint64 score);

    error ZeroAddress();
    error ZeroAmount();
    error BoundsInvalid();
    error AlreadyRegistered(address owner);
    error NotRegistered(address owner);
    error NotOwnerNorSigner(address owner, address caller);
    error EndpointSizeInvalid(uint256 size);
    error NodeKeyMissing();
    error SlotsZero();
    error StakeTooSmall(uint256 stake, uint256 minimum);
    error NothingUnbonding();
    error UnbondTooEarly(uint64 unbondAt);
    error PageTooLarge(uint256 count);
    error IndexOutOfRange(uint256 index);
    error OnlyDeposits(address caller);
    error OnlyJobs(address caller);

    constructor(address deposits_, address jobs_, uint256 stakeMin_, uint64 unbondDelay_, uint64 payoutDelay_) {
        if (deposits_ == address(0) || jobs_ == address(0)) revert ZeroAddress();
        if (unbondDelay_ > 3650 days || payoutDelay_ > 3650 days) revert BoundsInvalid();
        deposits = deposits_;
        jobs = jobs_;
        stakeMin = stakeMin_;
        unbondDelay = unbondDelay_;
        payoutDelay = payoutDelay_;
    }

    modifier onlyRegistered() {
        if (!isRegistered(msg.sender)) revert NotRegistered(msg.sender);
        _;
    }

    modifier onlyOwnerOrSigner(address owner) {
        if (!isRegistered(owner)) revert NotRegistered(owner);
        if (!mayActFor(owner, msg.sender)) revert NotOwnerNorSigner(owner, msg.sender);
        _;
    }

    // --- registration and terms ----------------------------------------------------------------------

    /// @notice Registers the caller as owner of a new, active provider; the sent coins are its stake.
    /// @param nodeKey The node's ed25519 public key, by which peers recognise it.
    /// @param price Wei per 10^9 fuel.
    /// @param slots Tasks it runs at a time.
    function register(
        bytes32 nodeKey,
        string calldata endpoint,
        uint128 price,
        uint32 slots,
        address signer,
        address payout
    ) external payable {
        if (isRegistered(msg.sender)) revert AlreadyRegistered(msg.sender);
        if (payout == address(0)) revert ZeroAddress();
        if (msg.value < stakeMin) revert StakeTooSmall(msg.value, stakeMin);
        Provider storage provider = providers_[msg.sender];
        provider.owner = msg.sender;
        provider.payout = payout;
        provider.active = true;
        provider.registeredAt = uint64(block.timestamp);
        provider.stake = msg.value;
        owners_.push(msg.sender);
        _setTerms(provider, nodeKey, endpoint, price, slots);
        emit Registered(msg.sender, nodeKey, endpoint, price, slots);
        _setSigner(provider, signer);
        if (msg.value != 0) emit StakeAdded(msg.sender, msg.value);
    }

    /// @notice Replaces node key, endpoint and terms of `owner`'s provider; by its owner or signer.
    function update(address owner, bytes32 nodeKey, string calldata endpoint, uint128 price, uint32 slots)
        external
        onlyOwnerOrSigner(owner)
    {
        _setTerms(providers_[owner], nodeKey, endpoint, price, slots);
        emit Updated(owner, nodeKey, endpoint, price, slots);
    }

    /// @notice An inactive provider wants no work. To be active needs the minimal stake.
    function setActive(address owner, bool active) external onlyOwnerOrSigner(owner) {
        Provider storage provider = providers_[owner];
        if (active && provider.stake < stakeMin) revert StakeTooSmall(provider.stake, stakeMin);
        provider.active = active;
        emit ActiveChanged(owner, active);
    }

    /// @notice Replaces the hot key at once. The old key stays answerable for receipts it signed.
    function setSigner(address signer) external onlyRegistered {
        _setSigner(providers_[msg.sender], signer);
    }

    /// @notice From now + payoutDelay on money goes to `payout`. A new request replaces one that waits.
    function requestPayoutChange(address payout) external onlyRegistered {
        if (payout == address(0)) revert ZeroAddress();
        Provider storage provider = providers_[msg.sender];
        provider.payout = payoutOf(msg.sender);
        provider.nextPayout = payout;
        provider.nextPayoutAt = uint64(block.timestamp) + payoutDelay;
        emit PayoutChangeRequested(msg.sender, payout, provider.nextPayoutAt);
    }

    /// @notice Drops a change of the payout address that has not come into force.
    function cancelPayoutChange() external onlyRegistered {
        Provider storage provider = providers_[msg.sender];
        provider.payout = payoutOf(msg.sender);
        provider.nextPayout = address(0);
        provider.nextPayoutAt = 0;
        emit PayoutChangeCancelled(msg.sender);
    }

    // --- stake -----------------------------------------------------------------------------------------

    function addStake() external payable onlyRegistered {
        if (msg.value == 0) revert ZeroAmount();
        providers_[msg.sender].stake += msg.value;
        emit StakeAdded(msg.sender, msg.value);
    }

    /// @notice Starts to take `amount` out of the stake; a second request adds to it and restarts the delay.
    /// An active provider must keep the minimal stake: to take all, become inactive first.
    function requestUnbond(uint256 amount) external onlyRegistered {
        if (amount == 0) revert ZeroAmount();
        Provider storage provider = providers_[msg.sender];
        uint256 needed = provider.active ? stakeMin : 0;
        if (amount > provider.stake || provider.stake - amount < needed) {
            revert StakeTooSmall(provider.stake, needed);
        }
        provider.stake -= amount;
        provider.unbonding += amount;
        provider.unbondAt = uint64(block.timestamp) + unbondDelay;
        emit UnbondRequested(msg.sender, amount, provider.unbondAt);
    }

    /// @notice Returns all that is unbonding to the stake.
    function cancelUnbond() external onlyRegistered {
        Provider storage provider = providers_[msg.sender];
        uint256 amount = provider.unbonding;
        if (amount == 0) revert NothingUnbonding();
        provider.unbonding = 0;
        provider.unbondAt = 0;
        provider.stake += amount;
        emit UnbondCancelled(msg.sender, amount);
    }

    /// @notice Pays out all that is unbonding, once the delay has passed, to the owner.
    function withdrawStake() external nonReentrant onlyRegistered returns (uint256 amount) {
        Provider storage provider = providers_[msg.sender];
        amount = provider.unbonding;
        if (amount == 0) revert NothingUnbonding();
        if (block.timestamp < provider.unbondAt) revert UnbondTooEarly(provider.unbondAt);
        provider.unbonding = 0;
        provider.unbondAt = 0;
        emit StakeWithdrawn(msg.sender, amount);
        Coins.send(msg.sender, amount);
    }

    // --- counters, moved by evidence ---------------------------------------------------------------------

    /// @inheritdoc IProviders
    /// @dev Saturates: a payer that signs absurd task counts must not be able to block later settlement.
    function recordSettled(address payee, uint64 tasks, uint256 amount) external {
        if (msg.sender != deposits) revert OnlyDeposits(msg.sender);
        if (!isRegistered(payee)) return;
        Counters storage counters = providers_[payee].counters;
        counters.acceptedTasks = _saturatingAdd(counters.acceptedTasks, tasks, type(uint64).max);
        counters.streak = _saturatingAdd(counters.streak, tasks, type(uint64).max);
        counters.score = _saturatingAdd(counters.score, tasks, SCORE_MAX);
        counters.paidTotal += amount;
        emit SettlementRecorded(payee, tasks, amount);
    }

    /// @inheritdoc IProviders
    function recordContradiction(address owner) external {
        if (msg.sender != jobs) revert OnlyJobs(msg.sender);
        if (!isRegistered(owner)) revert NotRegistered(owner);
        Counters storage counters = providers_[owner].counters;
        counters.contradictions = _saturatingAdd(counters.contradictions, 1, type(uint64).max);
        counters.streak = 0;
        counters.score /= 2;
        emit ContradictionRecorded(owner, counters.contradictions, counters.score);
    }

    // --- views -------------------------------------------------------------------------------------------

    /// @notice How many providers ever registered.
    function count() external view returns (uint256) {
        return owners_.length;
    }

    /// @notice The owner at this place of the list.
    function ownerAt(uint256 index) external view returns (address) {
        if (index >= owners_.length) revert IndexOutOfRange(index);
        return owners_[index];
    }

    /// @notice The provider of `owner`; all zero when unknown. A payout change in force is shown as done.
    function get(address owner) public view returns (Provider memory provider) {
        provider = providers_[owner];
        if (provider.nextPayout != address(0) && block.timestamp >= provider.nextPayoutAt) {
            provider.payout = provider.nextPayout;
            provider.nextPayout = address(0);
            provider.nextPayoutAt = 0;
        }
    }

    /// @notice Providers `start` … of the list, at most `size` (≤ 100) and as many as there are.
    function page(uint256 start, uint256 size) external view returns (Provider[] memory entries) {
        if (size > PAGE_COUNT_MAX) revert PageTooLarge(size);
        uint256 total = owners_.length;
        uint256 rest = start < total ? total - start : 0;
        entries = new Provider[](size < rest ? size : rest);
        for (uint256 i = 0; i < entries.length; ++i) {
            entries[i] = get(owners_[start + i]);
        }
    }

    /// @inheritdoc IProviders
    function payoutOf(address payee) public view returns (address) {
        Provider storage provider = providers_[payee];
        if (provider.owner == address(0)) return payee;
        bool changed = provider.nextPayout != address(0) && block.timestamp >= provider.nextPayoutAt;
        return changed ? provider.nextPayout : provider.payout;
    }

    /// @inheritdoc IProviders
    function isRegistered(address owner) public view returns (bool) {
        return owner != address(0) && providers_[owner].owner == owner;
    }

    /// @inheritdoc IProviders
    function mayActFor(address owner, address account) public view returns (bool) {
        return account == owner || (isRegistered(owner) && providers_[owner].signer == account);
    }

    /// @inheritdoc IProviders
    function wasSigner(address owner, address signer) external view returns (bool) {
        return everSigner_[owner][signer];
    }

    function _setTerms(
        Provider storage provider,
        bytes32 nodeKey,
        string calldata endpoint,
        uint128 price,
        uint32 slots
    ) private {
        uint256 size = bytes(endpoint).length;
        if (size == 0 || size > ENDPOINT_SIZE_MAX) revert EndpointSizeInvalid(size);
        if (nodeKey == bytes32(0)) revert NodeKeyMissing();
        if (slots == 0) revert SlotsZero();
        provider.nodeKey = nodeKey;
        provider.endpoint = endpoint;
        provider.price = price;
        provider.slots = slots;
    }

    function _setSigner(Provider storage provider, address signer) private {
        if (signer == address(0)) revert ZeroAddress();
        provider.signer = signer;
        everSigner_[provider.owner][signer] = true;
        emit SignerChanged(provider.owner, signer);
    }

    function _saturatingAdd(uint64 value, uint64 more, uint64 most) private pure returns (uint64) {
        return value >= most || more > most - value ? most : value + more;
    }
}
