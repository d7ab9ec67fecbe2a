// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title The EIP-712 domain of every Millrace signature
/// @notice All five fields of EIP-712 are used: name "Millrace", version "1", the chain id, the
/// verifying contract, and as salt the network's genesis hash. The salt keeps two networks apart that
/// share a chain id and, through equal deployers and nonces, contract addresses too.
/// @dev OpenZeppelin's EIP712 has no salt, hence this small base. The separator is computed at each use
/// (a few hundred gas): nothing is cached, so a chain split that changes the chain id invalidates
/// signatures by itself.
abstract contract MillraceDomain {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    bytes32 private constant NAME_HASH = keccak256("Millrace");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice The salt of the domain: the hash of the network's genesis block.
    bytes32 public immutable network;

    /// @notice The signature is not 65 bytes (r, s, v), is malleable (high s), or recovers no key.
    error SignatureMalformed();

    constructor(bytes32 network_) {
        network = network_;
    }

    /// @notice The domain separator on the chain this runs on now.
    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this), network)
        );
    }

    /// @dev What is signed: keccak256(0x19 0x01, separator, struct hash).
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domainSeparator(), structHash);
    }

    /// @dev The address that signed; reverts instead of returning the zero address.
    function _recover(bytes32 structHash, bytes calldata signature) internal view returns (address) {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecoverCalldata(_digest(structHash), signature);
        if (problem != ECDSA.RecoverError.NoError) revert SignatureMalformed();
        return signer;
    }
}
