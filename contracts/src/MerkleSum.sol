// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

/// @title Merkle-sum tree of (payee, cap)
/// @notice leaf = keccak256(0x00, payee, cap); node = keccak256(0x01, left, leftSum, right, rightSum).
/// Leaves are padded to a power of two with the leaf of (zero address, 0). The tree is the one of
/// `crypto/merkle.hpp`.
/// @dev Why an allocation cannot be over-promised: a node commits to both sums below it, and a proof
/// recomputes the sum on its own side and the total at the root. Two leaves that both verify meet at one
/// node, which cannot commit to two different pairs of sums; so the caps of all leaves that verify add up
/// to at most the total, however dishonest the tree.
library MerkleSum {
    /// @notice One step of a proof: the neighbour's hash and the sum below it, nearest the leaf first.
    struct Sibling {
        bytes32 hash;
        uint256 sum;
    }

    /// @notice The bound on the depth: leaf counts are 32-bit numbers.
    uint256 internal constant DEPTH_MAX = 32;

    /// @notice The depth of the padded tree of `leafCount` leaves: ceil(log2(leafCount)).
    function depth(uint256 leafCount) internal pure returns (uint256 levels) {
        while (levels < DEPTH_MAX && (uint256(1) << levels) < leafCount) ++levels;
    }

    function leaf(address payee, uint256 cap) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), payee, cap));
    }

    function node(bytes32 left, uint256 leftSum, bytes32 right, uint256 rightSum) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), left, leftSum, right, rightSum));
    }

    /// @notice True when the leaf (payee, cap) stands at `index` of the tree with this root and total.
    function verify(
        bytes32 root,
        uint256 total,
        uint256 leafCount,
        address payee,
        uint256 cap,
        uint256 index,
        Sibling[] calldata proof
    ) internal pure returns (bool) {
        if (index >= leafCount || proof.length != depth(leafCount)) return false;
        bytes32 hash = leaf(payee, cap);
        uint256 sum = cap;
        for (uint256 level = 0; level < proof.length; ++level) {
            Sibling calldata sibling = proof[level];
            hash = (index >> level) & 1 == 0
                ? node(hash, sum, sibling.hash, sibling.sum)
                : node(sibling.hash, sibling.sum, hash, sum);
            if (sibling.sum > total || sum > total - sibling.sum) return false;
            sum += sibling.sum;
        }
        return hash == root && sum == total;
    }
}
