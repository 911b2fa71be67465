create database messaging;
